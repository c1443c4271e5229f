"""Fixtures for every test: policies, sites, tokens, and cards in the readers of a private pcscd."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A shared machine may pause for longer than any deadline.
settings.register_profile("tmsd", deadline=None)
settings.load_profile("tmsd")

# A shell without job control has its background jobs ignore an interrupt, and
# what a test starts inherits that: then no Ctrl-C would end it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.config.fixtures",
    "tests.postgresql.fixtures",
    "tests.site.fixtures",
    "tests.softhsm.fixtures",
    "tests.pcsc.fixtures",
]


_UMASK = os.umask(0o022)
os.umask(_UMASK)


@pytest.fixture(autouse=True)
def _umask_is_given_back() -> Iterator[None]:
    """Have the umask that tests began with, also where tmsctl changed it in this process.

    A fixture of a module or a session may call it before any test does.
    """
    os.umask(_UMASK)
    yield
    os.umask(_UMASK)
