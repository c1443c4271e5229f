"""The daemon's own keys, made in a real token, and the keyring that finds them."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hsm.attributes import SERVICE_MAC_KEY
from hsm.importing import destroy_key, generate_key
from hsm.key_pairs import destroy_key_pair
from hsm.keys import AES_256, KeyReference
from hsm.token import Token
from tests.site import dogtag_policy
from tests.worker.authority import CA, RESPONDER, ROOT, made_authority
from tmsd.config.policy import load_policy
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.worker.context import Context
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


@pytest.fixture(scope="module")
def context(
    hsm_token: Token, keyring: Keyring, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Context]:
    """What a worker for callers works with, whose policy has a certificate authority."""
    with ExitStack() as stack:
        for reference in (ROOT, CA, RESPONDER):
            stack.callback(destroy_key_pair, hsm_token, reference)
        yield made_authority(tmp_path_factory.mktemp("ca"), hsm_token, keyring)


@pytest.fixture(scope="module")
def dogtag(
    hsm_token: Token, keyring: Keyring, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Context]:
    """What a worker works with whose caller is the TPS of the recordings."""
    folder = tmp_path_factory.mktemp("dogtag")
    policy = load_policy(dogtag_policy.write_policy(folder, dogtag_policy.policy_text("0" * 64)))
    with dogtag_policy.keys_in_token(hsm_token):
        yield Context(hsm_token, keyring, policy, 1, 1, 1, 300, 60)
