"""Security officers: who they are, what they approve, and whether enough of them have."""
