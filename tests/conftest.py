"""Fixtures for every test: a private pcscd and cards to put into its readers."""

pytest_plugins = [
    "tests.site.fixtures",
    "tests.softhsm.fixtures",
    "tests.virtual_token.fixtures",
]
