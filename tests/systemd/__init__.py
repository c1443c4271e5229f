"""tmsd as a service of systemd: words to it, sockets from it, its journal, units, a real boot."""
