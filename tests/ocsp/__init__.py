"""What relying parties are told, by whatever way they ask."""
