"""tmsd: a token management system whose keys never leave the HSM."""
