"""Tests on every kind of token that there is here; each skips what the token says it does not."""

from functools import cache

import pytest
from pkcs11 import Session

from hsm.capabilities import Capabilities, probe
from hsm.token import Token

TOKENS = (
    pytest.param("softhsm_token", id="softhsm"),
    pytest.param("softokn_token", id="softokn"),
    # Setting it up takes longer than the tests that it does not skip.
    pytest.param(
        "opencryptoki_token", id="opencryptoki", marks=pytest.mark.xdist_group("opencryptoki")
    ),
)
"""Names of fixtures."""

on_each_token = pytest.mark.parametrize("hsm_token", TOKENS, indirect=True, scope="module")


def asked(token: Token) -> Capabilities:
    """Return what a token does; it is asked once."""
    return _asked(token.session)


@cache
def _asked(session: Session) -> Capabilities:
    return probe(Token(session))


def needs(token: Token, *capabilities: str) -> None:
    """Skip a test on a token that does not do all of these, which are fields of Capabilities."""
    for name in capabilities:
        if not getattr(asked(token), name):
            pytest.skip(f"the token was asked, and does not do this: {name}")
