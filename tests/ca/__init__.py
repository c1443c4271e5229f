"""The certificate authority's service: a real store of either kind, and a real worker."""
