"""What the daemon remembers in a database: records that outlive it."""
