"""The daemon as its operator meets it: starting, losing things, recording, stopping."""
