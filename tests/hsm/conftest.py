"""Generated keys that other tests of this folder derive from."""

from collections.abc import Iterator

import pytest

from hsm.attributes import MASTER_KEY
from hsm.importing import destroy_key, generate_key
from hsm.keys import AES_256, DES3, KeyReference, TokenKey
from hsm.token import Token


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
