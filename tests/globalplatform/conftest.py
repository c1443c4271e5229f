"""The key stores that tests of this folder run over."""

from collections.abc import Iterator

import pytest

from hsm.token import Token
from tests.globalplatform.key_stores import KeyStore, PlainKeys, TokenKeys
from tests.softhsm.each_token import TOKENS


@pytest.fixture
def token_keys(hsm_token: Token) -> Iterator[TokenKeys]:
    """Keys in a token; they end with the test."""
    with hsm_token.operation() as operation:
        yield TokenKeys(hsm_token, operation)


@pytest.fixture(params=["plain", *TOKENS])
def key_store(request: pytest.FixtureRequest) -> Iterator[KeyStore]:
    """Keys in memory, and then keys in each kind of token, which end with the test."""
    if request.param == "plain":
        yield PlainKeys()
        return
    token = request.getfixturevalue(request.param)
    with token.operation() as operation:
        yield TokenKeys(token, operation)
