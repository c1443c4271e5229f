"""GlobalPlatform over published vectors, with keys in memory and with keys in a token."""
