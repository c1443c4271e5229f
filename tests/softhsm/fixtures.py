"""pytest fixtures: this process's SoftHSM, a token that is logged in, and fresh tokens.

For tests/conftest.py: `"tests.softhsm.fixtures"` in `pytest_plugins`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm import faulty_module
from tests.softhsm.tokens import USER_PIN, SoftHsm


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """SoftHSM as this process has it."""
    softhsm = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in softhsm.environment.items():
            patch.setenv(name, value)
        yield softhsm


@pytest.fixture(scope="session")
def hsm_token(softhsm: SoftHsm) -> Iterator[Token]:
    """A token, logged in and writable. What a test puts into it, it takes out again."""
    with open_token(softhsm.make_token(), Secret(USER_PIN), writable=True) as token:
        yield token


@pytest.fixture
def fresh_token(softhsm: SoftHsm) -> TokenAddress:
    """Where an empty token is that nobody is logged in to; its PIN is `USER_PIN`."""
    return softhsm.make_token()


@pytest.fixture(scope="session")
def faulty_module_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled module that stands before SoftHSM and fails as it is told."""
    return faulty_module.build(tmp_path_factory.mktemp("module"))
