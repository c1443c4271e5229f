"""The database: its schema, its durability, and its failures."""
