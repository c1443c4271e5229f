"""The client library for front-ends: typed, asynchronous, and without any key."""
