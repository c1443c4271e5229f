"""The configuration: tmsd.toml holds places, ports and limits; policy.toml what is allowed."""
