"""Keys of a test, which it takes out of the token again; and policies."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from hsm.importing import destroy_key
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import Policy, load_policy

_NUMBERS = count(1)


@pytest.fixture
def wanted(hsm_token: Token) -> Iterator[Callable[..., WantedKey]]:
    """Name a key under a label that nothing else has."""
    label = f"ceremony {next(_NUMBERS)}"
    versions = count(1)

    def name(
        algorithm: KeyAlgorithm, *, purpose: Purpose = Purpose.MASTER, factory: bool = False
    ) -> WantedKey:
        return WantedKey(KeyReference(label, next(versions)), algorithm, purpose, factory)

    yield name
    for reference, _ in hsm_token.list_keys(label):
        destroy_key(hsm_token, reference)


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], Policy]:
    """Load a policy of the key sets in a text; each needs no more than what differs."""

    def load(text: str) -> Policy:
        file = tmp_path / "policy.toml"
        file.write_text(text)
        return load_policy(file)

    return load
