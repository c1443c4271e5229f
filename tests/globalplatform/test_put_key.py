"""PUT KEY: its data field, and the answer that confirms it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.globalplatform.key_stores import AES, DES, KeyStore
from tests.vectors import Vector, each
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import put_key, scp02
from tmsd.globalplatform.keys import Key, Use
from tmsd.globalplatform.put_key import WrappedKey

LENGTHS = {"01": DES, "02": DES, "03": AES}


def _wrapped(length: int) -> st.SearchStrategy[WrappedKey]:
    in_blocks = -(-length // 16) * 16
    return st.builds(
        WrappedKey,
        length=st.just(length),
        value=st.binary(min_size=in_blocks, max_size=in_blocks),
        check_value=st.binary(min_size=3, max_size=3),
    )


AES_KEYS = st.sampled_from([16, 24, 32]).flatmap(
    lambda length: st.lists(_wrapped(length), min_size=3, max_size=3)
)
DES_KEYS = st.lists(_wrapped(16), min_size=3, max_size=3)
VERSIONS = st.integers(1, 127)


@each("key_encryption.json")
def test_a_key_is_encrypted_as_published(key_store: KeyStore, vector: Vector) -> None:
    value = vector.bytes("key")

    wrapped = key_store.wrapped(_dek(key_store, vector), DES[len(value)], value)

    assert wrapped.value.hex() == vector["encrypted"]


@each("generated_put_key.json")
def test_put_key_and_its_answer_are_the_generated_ones(key_store: KeyStore, vector: Vector) -> None:
    dek = _dek(key_store, vector)
    values = [bytes.fromhex(value) for value in vector["new_keys"]]
    lengths = LENGTHS[vector["protocol"]]
    keys = [key_store.wrapped(dek, lengths[len(value)], value) for value in values]
    des_key_type = int(vector["des_key_type"], 16) if "des_key_type" in vector else None
    version = int(vector["new_version"], 16)

    command = put_key.command(version, int(vector["replaced_version"], 16), keys, des_key_type)

    assert command.data.hex() == vector["data"]
    assert bytes([command.p1, command.p2]).hex() == vector["p1p2"]
    assert (command.cla, command.ins, command.le) == (0x80, 0xD8, 256)
    check_values = b"".join(key.check_value for key in keys)
    put_key.confirm(vector.bytes("expected_response"), version, check_values)


@settings(deadline=None)
@given(version=VERSIONS, replaced=st.integers(0, 127), keys=AES_KEYS)
def test_aes_keys_are_read_back_with_their_lengths(
    version: int, replaced: int, keys: list[WrappedKey]
) -> None:
    command = put_key.command(version, replaced, keys, None)

    assert (command.p1, command.p2, command.data[0]) == (replaced, 0x81, version)
    assert _read(command.data[1:], is_aes=True) == (keys, [0x88] * 3)


@settings(deadline=None)
@given(version=VERSIONS, keys=DES_KEYS, key_type=st.sampled_from([0x80, 0x81]))
def test_triple_des_keys_are_read_back_with_their_type(
    version: int, keys: list[WrappedKey], key_type: int
) -> None:
    command = put_key.command(version, 0, keys, key_type)

    assert _read(command.data[1:], is_aes=False) == (keys, [key_type] * 3)


@settings(deadline=None)
@given(version=VERSIONS, replaced=st.integers(0, 127), key=_wrapped(16))
def test_a_base_key_goes_alone_under_the_first_identifier(
    version: int, replaced: int, key: WrappedKey
) -> None:
    command = put_key.command(version, replaced, [key], 0x80)

    assert (command.p1, command.p2, command.data[0]) == (replaced, 0x01, version)
    assert _read(command.data[1:], is_aes=False) == ([key], [0x80])


def test_the_longest_put_key_goes_into_a_short_apdu_under_every_protection() -> None:
    keys = [WrappedKey(32, bytes(32), bytes(3))] * 3

    # C-ENC fills up to the next block of 16, S16 adds a C-MAC of 16.
    assert len(put_key.command(1, 0, keys, None).data) <= 255 - 16 - 16


@settings(deadline=None)
@given(version=VERSIONS, check_values=st.binary(min_size=9, max_size=9), data=st.data())
def test_an_answer_that_differs_anywhere_confirms_nothing(
    version: int, check_values: bytes, data: st.DataObject
) -> None:
    right = bytes([version]) + check_values
    at = data.draw(st.integers(0, len(right) - 1))
    wrong = right[:at] + bytes([right[at] ^ data.draw(st.integers(1, 255))]) + right[at + 1 :]

    put_key.confirm(right, version, check_values)
    for answer in (wrong, right[:-1], right + b"\x00", b""):
        with pytest.raises(ServiceError) as refusal:
            put_key.confirm(answer, version, check_values)
        assert refusal.value.code is Code.PUT_KEY_UNCONFIRMED
        assert right.hex() in refusal.value.detail


def _dek(store: KeyStore, vector: Vector) -> Key:
    value = vector.bytes("dek")
    algorithm = LENGTHS[vector["protocol"]][len(value)]
    if vector["protocol"] != "02":
        return store.key(algorithm, value, Use.DEK)
    static = store.key(algorithm, value, Use.CARD_KEY)
    return scp02.data_encryption_key(static, vector.bytes("sequence_counter") + bytes(14))


def _read(data: bytes, *, is_aes: bool) -> tuple[list[WrappedKey], list[int]]:
    """Take key data blocks apart as a card does (Card Specification 2.3.1, table 11-68)."""
    keys, types = [], []
    while data:
        types.append(data[0])
        block, data = data[2 : 2 + data[1]], data[2 + data[1] :]
        check_value, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        length, value = (block[0], block[1:]) if is_aes else (len(block), block)
        keys.append(WrappedKey(length, value, check_value))
    return keys, types
