"""Keys of a test, which it takes out of the token again."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from hsm.importing import destroy_key
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm

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
