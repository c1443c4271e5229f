"""The key stores that tests of this folder run over."""

from collections.abc import Iterator

import pytest

from hsm.token import Token
from tests.globalplatform.key_stores import KeyStore, PlainKeys, TokenKeys


@pytest.fixture
def token_keys(hsm_token: Token) -> Iterator[TokenKeys]:
    """Keys in a token; they end with the test."""
    with hsm_token.operation() as operation:
        yield TokenKeys(hsm_token, operation)


@pytest.fixture(params=["plain", "softhsm"])
def key_store(request: pytest.FixtureRequest) -> KeyStore:
    """Keys in memory, and then keys in a token."""
    if request.param == "plain":
        return PlainKeys()
    store: KeyStore = request.getfixturevalue("token_keys")
    return store
