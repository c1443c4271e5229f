"""The certificate authority: it issues, revokes, and tells of revocation."""
