"""The daemon's own keys, made in a real token, and the keyring that finds them."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hsm.attributes import SERVICE_MAC_KEY
from hsm.importing import destroy_key, generate_key
from hsm.keys import AES_256, KeyReference
from hsm.token import Token
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.worker.keyring import Keyring


@pytest.fixture(scope="module")
def keyring(hsm_token: Token) -> Iterator[Keyring]:
    """A keyring with versions 1 and 2 of each service key."""
    with ExitStack() as stack:
        for label in SERVICE_KEYS:
            for version in (1, 2):
                reference = KeyReference(label, version)
                generate_key(hsm_token, reference, AES_256, SERVICE_MAC_KEY)
                stack.callback(destroy_key, hsm_token, reference)
        yield Keyring(hsm_token)
