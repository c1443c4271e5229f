"""`tmsd ocsp`: the process that answers relying parties, without a way to the HSM."""
