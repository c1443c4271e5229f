"""The audit log: records, the chain file, group commit, verification."""
