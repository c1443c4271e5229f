"""PostgreSQL servers for tests: real ones, each a cluster of its own behind a Unix socket."""
