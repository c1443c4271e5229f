"""Generated keys that other tests of this folder derive from, and sign with."""

from collections.abc import Callable, Iterator

import pytest

from hsm.attributes import MASTER_KEY
from hsm.errors import MechanismUnavailable
from hsm.importing import destroy_key, generate_key
from hsm.key_pairs import KeyPair, destroy_key_pair, generate_key_pair
from hsm.keys import AES_256, DES3, KeyReference, TokenKey
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token

PairOf = Callable[[KeyPairAlgorithm], KeyPair]


@pytest.fixture(scope="module")
def aes_master(hsm_token: Token) -> Iterator[TokenKey]:
    """An AES-256 master key that was made in the token."""
    reference = KeyReference("generated aes master", 1)
    yield generate_key(hsm_token, reference, AES_256, MASTER_KEY)
    destroy_key(hsm_token, reference)


@pytest.fixture(scope="module")
def des_master(hsm_token: Token) -> Iterator[TokenKey]:
    """A three-key triple DES master key that was made in the token."""
    reference = KeyReference("generated des master", 1)
    yield generate_key(hsm_token, reference, DES3, MASTER_KEY)
    destroy_key(hsm_token, reference)


@pytest.fixture(scope="session")
def pair_of(softhsm_token: Token) -> Iterator[PairOf]:
    """Make the key pair of an algorithm, once. One that the token does not make is skipped."""
    made: dict[KeyPairAlgorithm, KeyPair] = {}

    def pair_of(algorithm: KeyPairAlgorithm) -> KeyPair:
        if algorithm not in made:
            reference = KeyReference(f"generated {algorithm} pair", 1)
            try:
                made[algorithm] = generate_key_pair(softhsm_token, reference, algorithm)
            except MechanismUnavailable as refusal:
                pytest.skip(str(refusal))
        return made[algorithm]

    yield pair_of
    for pair in made.values():
        destroy_key_pair(softhsm_token, pair.reference)
