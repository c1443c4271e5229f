"""Key blocks are opened under a key of the token, and only as they were made."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute
from psec import tr31

from hsm.attributes import KEY_BLOCK_PROTECTION_KEY, Template
from hsm.errors import WrappedKeyInvalid
from hsm.importing import import_session_key
from hsm.key_block import SealedKey, open_key_block, seal_key
from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token
from tests import vectors
from tests.vectors import Vector

SESSION: Template = {**KEY_BLOCK_PROTECTION_KEY, Attribute.TOKEN: False}
SHAPES = {("B", 16): DES2, ("B", 24): DES3} | {
    ("D", shape.length): shape for shape in (AES_128, AES_192, AES_256)
}
MAC_LENGTHS = {"B": 8, "D": 16}
BOUND = [v for v in vectors.read("key_blocks.json") if v["key_block"][0] in MAC_LENGTHS]


def sealed_key(key_block: str) -> SealedKey:
    """Take a key block apart; its optional blocks, if it has some, take 24 characters here."""
    header = 16 + 24 * int(key_block[12:14])
    content, mac = bytes.fromhex(key_block[header:]), MAC_LENGTHS[key_block[0]]
    return SealedKey(key_block[:header].encode(), content[:-mac], content[-mac:])


def protection(operation: Operation, version: str, value: bytes) -> TokenKey:
    shape = SHAPES[version, len(value)]
    return import_session_key(operation, Secret(value), shape, SESSION)


@pytest.mark.parametrize("vector", BOUND, ids=lambda vector: vector["id"])
def test_published_key_blocks_hold_the_published_keys(hsm_token: Token, vector: Vector) -> None:
    block: str = vector["key_block"]
    with hsm_token.operation() as operation:
        key = protection(operation, block[0], vector.bytes("protection_key"))

        opened = open_key_block(hsm_token, key, sealed_key(block))

    with opened as value:
        assert value == vector.bytes("key")


@pytest.mark.parametrize("shape", [AES_128, AES_192, AES_256], ids=lambda shape: str(shape.length))
@pytest.mark.parametrize("length", [16, 24, 32])
def test_a_key_block_that_another_implementation_made_is_opened(
    hsm_token: Token, shape: KeyShape, length: int
) -> None:
    protecting, value = hsm_token.random(shape.length), hsm_token.random(length)
    block = tr31.wrap(protecting, "D0000E5AX00N0000", value)
    with hsm_token.operation() as operation:
        key = protection(operation, "D", protecting)

        with open_key_block(hsm_token, key, sealed_key(block)) as opened:
            assert opened == value


@pytest.mark.parametrize(("version", "length"), SHAPES)
def test_what_is_sealed_is_opened_again(hsm_token: Token, version: str, length: int) -> None:
    protecting = hsm_token.random(length)
    header = tr31.Header(version, "K0", "A", "B").dump(24).encode()
    with hsm_token.operation() as operation:
        key = protection(operation, version, protecting)

        made = seal_key(hsm_token, key, header, Secret(bytes(range(24))))

        assert int(header[1:5]) == len(header) + 2 * len(made.encrypted + made.mac)
        with open_key_block(hsm_token, key, made) as opened:
            assert opened == bytes(range(24))
    if version == "D":
        block = header.decode() + (made.encrypted + made.mac).hex().upper()
        assert tr31.unwrap(protecting, block)[1] == bytes(range(24))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(BOUND), st.data())
def test_a_key_block_of_which_a_bit_is_changed_is_not_opened(
    hsm_token: Token, vector: Vector, data: st.DataObject
) -> None:
    sealed = sealed_key(vector["key_block"])
    parts = [bytearray(part) for part in (sealed.header, sealed.encrypted, sealed.mac)]
    part = data.draw(st.sampled_from(parts))
    bit = data.draw(st.integers(0, len(part) * 8 - 1))
    part[bit // 8] ^= 1 << bit % 8
    with hsm_token.operation() as operation:
        key = protection(operation, vector["key_block"][0], vector.bytes("protection_key"))

        with pytest.raises(WrappedKeyInvalid, match="MAC is wrong"):
            open_key_block(hsm_token, key, SealedKey(*map(bytes, parts)))


@pytest.mark.parametrize(
    "block",
    [
        "B0064M3TC00E0000F74E0A3502C5CEE07342D5DE9E72135E4A81944F80691F0F",
        "D0080M3TC00E000007E81A7F29A870D4A0CD5AB27E9FEC4A8863E879B11EA3A0ADA406AD26D35B2F",
        "B0064M3TC00E00000398DC96A5DDB0EF61E26F8935173BD478DF9484050A672A",
    ],
    ids=["three bits, B", "three bits, D", "longer than it is, B"],
)
def test_one_that_says_a_wrong_length_holds_no_key(hsm_token: Token, block: str) -> None:
    """Those of psec 1.3.0, tests/test_tr31.py; their MACs are right."""
    with hsm_token.operation() as operation:
        key = protection(operation, block[0], b"E" * 16)

        with pytest.raises(WrappedKeyInvalid, match="no key of the length"):
            open_key_block(hsm_token, key, sealed_key(block))
