"""A token beside its inventory, with every drift made on purpose."""

from collections.abc import Callable, Iterator

import pytest
from pkcs11 import Attribute, ObjectClass

from hsm import attributes
from hsm.attributes import MASTER_KEY, TRANSPORT_KEY
from hsm.backup import backup_key_check_value
from hsm.held_keys import held_keys
from hsm.importing import destroy_key, generate_key
from hsm.key_pairs import destroy_key_pair, generate_key_pair
from hsm.keys import AES_128, AES_256, KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.hsm.half_pairs import half, replace_public_half
from tests.softhsm.tokens import USER_PIN
from tmsd.config.reserved_keys import BACKUP_KEY
from tmsd.quorum import canonical
from tmsd.quorum.inventory import decode, differences, inventory_of, keys_of

DEMO = KeyReference("demo", 1)
CA = KeyReference("ca", 1)
SECRET = "secret key 'demo' version 1"
PRIVATE, PUBLIC = "private key 'ca' version 1", "public key 'ca' version 1"


@pytest.fixture
def token(fresh_token: TokenAddress) -> Iterator[Token]:
    """A token with a master key and a key pair."""
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        generate_key(token, DEMO, AES_256, MASTER_KEY)
        generate_key_pair(token, CA, KeyPairAlgorithm.P256)
        yield token


def test_the_key_for_backups_is_known_by_what_it_wraps(token: Token) -> None:
    generate_key(token, KeyReference(BACKUP_KEY, 1), AES_256, attributes.BACKUP_KEY)
    assert [key.check for key in held_keys(token) if key.label == BACKUP_KEY] == [
        backup_key_check_value(token, token.find_key(KeyReference(BACKUP_KEY, 1))).hex()
    ]


def destroyed(token: Token) -> None:
    destroy_key(token, DEMO)


def added(token: Token) -> None:
    generate_key(token, KeyReference("demo", 2), AES_256, MASTER_KEY)


def copied(token: Token) -> None:
    token.find_key(DEMO).handle.copy({})


def shortened(token: Token) -> None:
    destroy_key(token, DEMO)
    generate_key(token, DEMO, AES_128, MASTER_KEY)


def replaced(token: Token) -> None:
    destroy_key(token, DEMO)
    generate_key(token, DEMO, AES_256, MASTER_KEY)


def granted_more(token: Token) -> None:
    destroy_key(token, DEMO)
    generate_key(token, DEMO, AES_256, {**TRANSPORT_KEY, Attribute.EXTRACTABLE: True})


def halved(token: Token) -> None:
    half(token, CA, ObjectClass.PUBLIC_KEY).destroy()


def mismatched(token: Token) -> None:
    other = KeyReference("other", 1)
    generate_key_pair(token, other, KeyPairAlgorithm.P256)
    point = half(token, other, ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]
    destroy_key_pair(token, other)
    replace_public_half(token, CA, {Attribute.EC_POINT: point})


@pytest.mark.parametrize(
    ("drifts", "told"),
    [
        (destroyed, [f"{SECRET}: missing"]),
        (added, ["secret key 'demo' version 2: not in the inventory"]),
        (copied, [f"{SECRET}: there 2 times"]),
        (
            shortened,
            [f"{SECRET}: algorithm should be aes256, and is aes128", f"{SECRET}: check should be"],
        ),
        (replaced, [f"{SECRET}: check should be"]),
        (
            granted_more,
            [
                f"{SECRET}: attribute should be DERIVE, and is not DERIVE",
                f"{SECRET}: attribute should be not EXTRACTABLE, and is EXTRACTABLE",
                f"{SECRET}: attribute should be NEVER_EXTRACTABLE, and is not NEVER_EXTRACTABLE",
                f"{SECRET}: attribute should be not WRAP, and is WRAP",
                f"{SECRET}: check should be",
            ],
        ),
        (halved, [f"{PRIVATE}: check should be", f"{PUBLIC}: missing"]),
        (
            mismatched,
            [
                f"{PRIVATE}: check should be",
                f"{PUBLIC}: attribute should be LOCAL, and is not LOCAL",
                f"{PUBLIC}: check should be",
            ],
        ),
    ],
)
def test_drift_is_told_by_key_and_kind_and_nothing_else_is(
    token: Token, drifts: Callable[[Token], None], told: list[str]
) -> None:
    before = keys_of(held_keys(token))
    inventory = decode(canonical.encode(inventory_of(token.label, token.serial, before)))
    assert differences(inventory, token.serial, keys_of(held_keys(token))) == []

    drifts(token)

    found = differences(inventory, token.serial, keys_of(held_keys(token)))
    assert [str(each)[: len(words)] for each, words in zip(found, told, strict=True)] == told
