"""pytest fixtures: this process's SoftHSM, tokens that are logged in, and fresh tokens.

For tests/conftest.py: `"tests.softhsm.fixtures"` in `pytest_plugins`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm import faulty_module, opencryptoki, softokn
from tests.softhsm.tokens import USER_PIN, SoftHsm


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """SoftHSM as this process has it."""
    softhsm = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in softhsm.environment.items():
            patch.setenv(name, value)
        yield softhsm


@pytest.fixture(scope="module")
def hsm_token(request: pytest.FixtureRequest) -> Token:
    """A token, logged in and writable: SoftHSM's, or each in turn with `on_each_token`.

    What a test puts into it, it takes out again.
    """
    token: Token = request.getfixturevalue(getattr(request, "param", "softhsm_token"))
    return token


@pytest.fixture(scope="session")
def softhsm_token(softhsm: SoftHsm) -> Iterator[Token]:
    """SoftHSM's."""
    with open_token(softhsm.make_token(), Secret(USER_PIN), writable=True) as token:
        yield token


@pytest.fixture(scope="session")
def softokn_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """That of NSS."""
    address = softokn.make_token(tmp_path_factory.mktemp("softokn"))
    with open_token(address, Secret(USER_PIN), writable=True) as token:
        yield token


@pytest.fixture(scope="module")
def opencryptoki_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """That of openCryptoki, for a user who can have it."""
    with ExitStack() as stack:
        try:
            folder = tmp_path_factory.mktemp("opencryptoki")
            address = stack.enter_context(opencryptoki.token_of_its_own(folder))
        except opencryptoki.Unavailable as reason:
            pytest.skip(str(reason))
        yield stack.enter_context(open_token(address, Secret(USER_PIN), writable=True))


@pytest.fixture
def fresh_token(softhsm: SoftHsm) -> TokenAddress:
    """Where an empty token is that nobody is logged in to; its PIN is `USER_PIN`."""
    return softhsm.make_token()


@pytest.fixture(scope="session")
def faulty_module_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled module that stands before SoftHSM and fails as it is told."""
    return faulty_module.build(tmp_path_factory.mktemp("module"))
