"""The configuration: reading, each table, the manuals, the files they name."""
