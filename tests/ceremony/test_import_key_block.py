"""A TR-31 key block is opened under a key of the token, once its header lets its key pass."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pkcs11 import Attribute
from psec import tr31

from hsm.errors import KeyExists
from hsm.importing import destroy_key
from hsm.key_block import seal_key
from hsm.keys import DES3, KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from tests.ceremony.card_makers import give_zone_key, send, step
from tests.ceremony.keys import check_value
from tests.ceremony.rooms import Present, room
from tests.softhsm.tokens import SoftHsm
from tmsd.ceremony.key_block import key_block, passing_header
from tmsd.ceremony.key_step import KeyPurpose
from tmsd.ceremony.room import Room
from tmsd.ceremony.wanted_key import Purpose
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused, WrappedKeyRule
from tmsd.config.key_sets import KeyAlgorithm

PILOT = KeyReference("pilot", 1)
DO = "import-key-block"
PROTECTION = bytes(range(0x60, 0x80))
EXCEPTION = "the key was in the clear in memory while its key block was opened"


@pytest.fixture(scope="module")
def kept(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> TokenAddress:
    """A token with a key that protects key blocks."""
    token = softhsm.make_token()
    where = room(tmp_path_factory.mktemp("zone"), token, Present())
    give_zone_key(where, PROTECTION, Purpose.KEY_BLOCK_PROTECTION, KeyAlgorithm.AES256)
    return token


@pytest.fixture
def where(kept: TokenAddress, tmp_path: Path) -> Room:
    """A room around it in which the key that is imported is not there yet."""
    here = room(tmp_path, kept, Present())
    with here.token() as token:
        for _ in token.find_keys(PILOT):
            destroy_key(token, PILOT)
    return here


def attributes(where: Room) -> Mapping[Attribute, bool]:
    with where.token() as token:
        handle = token.find_key(PILOT).handle
        told: Mapping[Attribute, bool] = handle.get_attributes(
            [Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.DERIVE, Attribute.UNWRAP]
        )
        return told


@pytest.mark.parametrize(
    ("algorithm", "length", "cipher"),
    [("aes256", 32, "A"), ("aes128", 16, "A"), ("des3", 16, "T"), ("des3", 24, "T")],
)
def test_a_key_comes_in_a_key_block_of_aes(
    where: Room, algorithm: str, length: int, cipher: str
) -> None:
    value = secrets.token_bytes(length)
    digest = send(where, tr31.wrap(PROTECTION, f"D0000E5{cipher}X00E0000", value).encode())
    planned = step(where, DO, value, algorithm=f'"{algorithm}"')

    facts = planned.perform(where)

    assert facts["kcv"] == check_value(value, KeyAlgorithm(algorithm)).hex()
    assert str(facts["key_block"]).endswith(f"E5{cipher}X00E0000")
    assert facts["file_sha256"] == digest
    assert facts["exception"] == EXCEPTION
    assert list(attributes(where).values()) == [True, False, True, False]
    assert planned.found(where) == facts
    with pytest.raises(KeyExists):
        planned.perform(where)


def test_a_key_comes_in_a_key_block_of_triple_des(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())
    protecting = secrets.token_bytes(24)
    give_zone_key(where, protecting, Purpose.KEY_BLOCK_PROTECTION, KeyAlgorithm.DES3)
    value = secrets.token_bytes(16)
    header = passing_header(KeyPurpose.TRANSPORT, KeyAlgorithm.DES3, DES3, 16)
    with where.token() as token:
        protection = token.find_key(KeyReference("zone", 1))
        send(where, key_block(seal_key(token, protection, header, Secret(value))))

    facts = step(where, DO, value, algorithm='"des3"', purpose='"transport"').perform(where)

    assert facts["kcv"] == check_value(value, KeyAlgorithm.DES3).hex()
    assert str(facts["key_block"]).startswith("B")


AES_16 = bytes(range(16))


@pytest.mark.parametrize(
    ("header", "key", "keys", "rule"),
    [
        ("D0000E5AX00E0000", bytes(16), {}, WrappedKeyRule.WEAK),
        ("D0000E5AX00E0000", AES_16[::-1], {}, WrappedKeyRule.DIFFERS),
        ("D0000E5AX00E0000", bytes(24), {}, WrappedKeyRule.LENGTH),
        ("D0000P0AE00E0000", AES_16, {}, WrappedKeyRule.BLOCK_USAGE),
        ("D0000E5AX00N0000", AES_16, {"backup": '"quorum"'}, WrappedKeyRule.BLOCK_EXPORTABILITY),
        ("D0000E5AX00E0000", AES_16, {"file": '"n"'}, WrappedKeyRule.MISSING),
    ],
)
def test_another_key_than_the_expected_leaves_nothing(
    where: Room, header: str, key: bytes, keys: dict[str, str], rule: WrappedKeyRule
) -> None:
    send(where, tr31.wrap(PROTECTION, header, key).encode())
    with pytest.raises(WrappedKeyRefused) as refused:
        step(where, DO, AES_16, **keys).perform(where)

    assert refused.value.rule is rule
    with where.token() as token:
        assert token.find_keys(PILOT) == []


def test_officers_approve_this_file_and_the_same_key_in_another_one_is_not_taken(
    where: Room,
) -> None:
    digest = send(where, tr31.wrap(PROTECTION, "D0000E5AX00E0000", AES_16).encode())
    planned = step(where, DO, AES_16)
    approved = planned.also_asked(where)
    asked = replace(where, approved=approved)
    send(where, tr31.wrap(PROTECTION, "D0000E5AX00E0000", AES_16).encode())

    assert approved == {"file_sha256": digest}
    with pytest.raises(WrappedKeyRefused, match=f"wrapped-key-other-file: .*expected {digest}"):
        planned.perform(asked)
    planned.perform(where)
    with pytest.raises(WrappedKeyRefused, match="wrapped-key-other-file"):
        planned.found(asked)


def test_one_under_another_key_or_of_another_version_is_not_opened(where: Room) -> None:
    planned = step(where, DO, AES_16)
    send(where, tr31.wrap(bytes(32), "D0000E5AX00E0000", AES_16).encode())
    with pytest.raises(WrappedKeyRefused, match="wrapped-key-forged: its MAC is wrong"):
        planned.perform(where)
    send(where, b"B0080K0TN00N00001C414014375212C24995E405B5EE052CB92B67F455EA2680F6751088F9F1C228")
    with pytest.raises(WrappedKeyRefused, match="key-block-version"):
        planned.perform(where)
    assert planned.found(where) is None


def test_a_zone_master_key_opens_no_key_block(fresh_token: TokenAddress, tmp_path: Path) -> None:
    where = room(tmp_path, fresh_token, Present())
    give_zone_key(where, PROTECTION, Purpose.ZONE_MASTER, KeyAlgorithm.AES256)
    send(where, tr31.wrap(PROTECTION, "D0000E5AX00E0000", AES_16).encode())

    with pytest.raises(WrappedKeyRefused, match="zone-key-unfit"):
        step(where, DO, AES_16).perform(where)


def test_a_key_of_aes_does_not_come_under_a_weaker_one(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())
    give_zone_key(where, bytes(range(16)), Purpose.KEY_BLOCK_PROTECTION, KeyAlgorithm.AES128)
    value = bytes(range(32))
    send(where, tr31.wrap(bytes(range(16)), "D0000E5AX00E0000", value).encode())

    with pytest.raises(WrappedKeyRefused, match="zone-key-weak"):
        step(where, DO, value, algorithm='"aes256"').perform(where)
