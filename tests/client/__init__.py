"""The client library: against a real site, and against services that misbehave."""
