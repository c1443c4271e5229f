"""Fixtures for every test: a private pcscd and cards to put into its readers."""

from hypothesis import settings

# A shared machine may pause for longer than any deadline.
settings.register_profile("tmsd", deadline=None)
settings.load_profile("tmsd")

pytest_plugins = [
    "tests.site.fixtures",
    "tests.softhsm.fixtures",
    "tests.virtual_token.fixtures",
]
