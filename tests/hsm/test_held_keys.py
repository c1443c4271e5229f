"""Every key object of a token is told, those that tmsd has no use for as well."""

from collections.abc import Iterator

import pytest
from pkcs11 import Attribute, KeyType, ObjectClass

from hsm.attributes import HMAC_MASTER_KEY, MASTER_KEY
from hsm.check_values import key_check_value
from hsm.held_keys import HeldKey, held_keys
from hsm.hmac import hmac_sha256
from hsm.importing import generate_key
from hsm.key_pairs import generate_key_pair
from hsm.keys import AES_256, DES2, SECRET_32, KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm, spki_sha256
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.hsm.half_pairs import half, replace_public_half
from tests.softhsm.tokens import USER_PIN

ONE = KeyReference("one", 1)
MADE_HERE = ("ALWAYS_SENSITIVE", "LOCAL", "NEVER_EXTRACTABLE", "PRIVATE", "SENSITIVE")


@pytest.fixture
def empty_token(fresh_token: TokenAddress) -> Iterator[Token]:
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        yield token


def test_secret_keys_are_known_by_what_they_compute(empty_token: Token) -> None:
    aes = generate_key(empty_token, ONE, AES_256, MASTER_KEY)
    des = generate_key(empty_token, KeyReference("des", 2), DES2, MASTER_KEY)
    hmac = generate_key(empty_token, KeyReference("hmac", 255), SECRET_32, HMAC_MASTER_KEY)
    master = tuple(sorted((*MADE_HERE, "DERIVE", "ENCRYPT")))
    assert held_keys(empty_token) == [
        HeldKey("secret", "des", "02", "des2", master, key_check_value(des).hex()),
        HeldKey(
            "secret",
            "hmac",
            "ff",
            "secret32",
            tuple(sorted((*MADE_HERE, "SIGN"))),
            hmac_sha256(hmac, b"")[:3].hex(),
        ),
        HeldKey("secret", "one", "01", "aes256", master, key_check_value(aes).hex()),
    ]


def test_both_halves_of_a_pair_are_known_by_its_public_key(empty_token: Token) -> None:
    pair = generate_key_pair(empty_token, ONE, KeyPairAlgorithm.P256)
    known_by = spki_sha256(pair.public_key).hex()
    assert held_keys(empty_token) == [
        HeldKey("private", "one", "01", "p256", tuple(sorted((*MADE_HERE, "SIGN"))), known_by),
        HeldKey("public", "one", "01", "p256", ("LOCAL", "VERIFY"), known_by),
    ]


def test_a_private_half_without_its_public_one_is_known_by_nothing(empty_token: Token) -> None:
    generate_key_pair(empty_token, ONE, KeyPairAlgorithm.P256)
    half(empty_token, ONE, ObjectClass.PUBLIC_KEY).destroy()
    assert [(key.kind, key.algorithm, key.check) for key in held_keys(empty_token)] == [
        ("private", "p256", "")
    ]


def test_a_private_half_beside_another_s_public_one_is_known_by_nothing(empty_token: Token) -> None:
    generate_key_pair(empty_token, ONE, KeyPairAlgorithm.P256)
    other = generate_key_pair(empty_token, KeyReference("other", 1), KeyPairAlgorithm.P256)
    point = half(empty_token, other.reference, ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]
    replace_public_half(empty_token, ONE, {Attribute.EC_POINT: point})
    known_by = spki_sha256(other.public_key).hex()
    assert [(key.kind, key.label, key.check) for key in held_keys(empty_token)] == [
        ("private", "one", ""),
        ("private", "other", known_by),
        ("public", "one", known_by),
        ("public", "other", known_by),
    ]


def test_what_tmsd_has_no_use_for_is_told_as_well(empty_token: Token) -> None:
    empty_token.session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.TOKEN: True,
            Attribute.LABEL: "kept by somebody",
            Attribute.ID: b"\x01\x02\x03",
            Attribute.VALUE: b"readable",
            Attribute.SENSITIVE: False,
            Attribute.EXTRACTABLE: True,
        }
    )
    [found] = held_keys(empty_token)
    assert (found.label, found.id, found.algorithm, found.check) == (
        "kept by somebody",
        "010203",
        "generic_secret",
        "",
    )
    assert "EXTRACTABLE" in found.attributes
    assert "SENSITIVE" not in found.attributes
