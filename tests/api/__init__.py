"""The API over HTTPS, as docs/api.md has it."""
