"""A TKS of Dogtag, made into a policy."""
