"""The audit log: one record per decision, bound by hash to the record before it."""
