"""Fixtures for every test: a private pcscd and cards to put into its readers."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A shared machine may pause for longer than any deadline.
settings.register_profile("tmsd", deadline=None)
settings.load_profile("tmsd")

pytest_plugins = [
    "tests.site.fixtures",
    "tests.softhsm.fixtures",
    "tests.virtual_token.fixtures",
]


@pytest.fixture(autouse=True)
def _umask_is_given_back() -> Iterator[None]:
    """Give the umask back that tmsctl changes, also where a test calls it in this process."""
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
