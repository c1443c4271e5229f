"""What a TKS of Dogtag was configured to do, as a policy: CS.cfg is read, policy.toml is written.

Nothing here is asked of the TKS or of its keys, and nothing is secret: CS.cfg names master keys by
their nicknames, and holds none but those that card makers publish.
"""
