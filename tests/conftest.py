"""Fixtures for every test: a private pcscd and cards to put into its readers."""

pytest_plugins = ["tests.virtual_token.fixtures"]
