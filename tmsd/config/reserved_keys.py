"""Labels of the keys that serve the daemon itself; no key set may name one."""

RESERVED_PREFIX = "tmsd-"

# MACs sealed sessions (docs/sealed-sessions.md). The highest version seals, all verify.
CHANNEL_KEY = "tmsd-channel"

# MACs the tickets of issued host challenges.
CHALLENGE_KEY = "tmsd-challenge"

SERVICE_KEYS = (CHANNEL_KEY, CHALLENGE_KEY)
