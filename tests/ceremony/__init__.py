"""The steps of ceremonies, on real tokens."""
