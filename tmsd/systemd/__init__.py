"""Being a service of systemd: told to it, listening by it, and logging to its journal.

Without systemd nothing here does anything; the package systemd-python is the extra `systemd`.
"""
