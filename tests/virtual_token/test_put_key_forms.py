"""PUT KEY on the wire: the forms of keys, and everything that is none."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.pcsc.apdu import Command, Refusal, StatusWord
from tests.virtual_token import put_key as codec
from tests.virtual_token.card import PUT_KEY, Card
from tests.virtual_token.changeover import encode_keys, keys_for, new_keys, profile, put_key
from tests.virtual_token.coprocessor import aes_cbc_encrypt, des3_ecb_encrypt
from tests.virtual_token.dek import AesDek, DesDek
from tests.virtual_token.keyring import AES, DES, CardKey, KeyGroup
from tests.virtual_token.keys import diversify
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.scp02 import DERIVE_DEK, session_key
from tests.virtual_token.terminal import OK, Session, open_session, opens
from tests.virtual_token.traces import VECTORS

Dek = DesDek | AesDek


def read(file: str) -> pytest.MarkDecorator:
    entries = json.loads((VECTORS / file).read_text())["vectors"]
    return pytest.mark.parametrize("vector", entries, ids=lambda vector: vector["id"])


def session_with(card: Card) -> Session:
    return open_session(card.transmit, card.keyring.groups[0], 0x01)


@read("card_put_key.json")
def test_keys_that_dogtag_wrapped_are_those_it_meant(vector: dict[str, Any]) -> None:
    kdd, data = bytes.fromhex(vector["kdd"]), bytes.fromhex(vector["data"])
    version = int(vector["key_version"], 16)
    old = diversify(vector["scheme"], bytes.fromhex(vector["master"]), kdd, version)
    new = diversify(vector["new_scheme"], bytes.fromhex(vector["new_master"]), kdd, data[0])
    card = Card(
        CardProfile(
            scp=int(vector["scp"], 16),
            i=int(vector["i"], 16),
            key_version=version,
            enc=old.enc,
            mac=old.mac,
            dek=old.dek,
            kdd=kdd,
        )
    )
    p1, p2 = bytes.fromhex(vector["p1p2"])

    assert session_with(card).send(Command(0x80, PUT_KEY, p1, p2, data)).endswith(OK)
    assert card.keyring.groups[0].key_set() == new
    assert opens(card, card.keyring.groups[0])


@read("card_generated_put_key.json")
def test_keys_in_generated_commands_are_read(vector: dict[str, Any]) -> None:
    p1, p2 = bytes.fromhex(vector["p1p2"])
    command = Command(0x80, PUT_KEY, p1, p2, bytes.fromhex(vector["data"]))
    new = codec.read(command, dek_of(vector))

    assert [key.value.hex() for key in new.keys.values()] == vector["new_keys"]
    assert new.confirmation.hex() == vector["confirmation"]


def dek_of(vector: dict[str, Any]) -> Dek:
    static = bytes.fromhex(vector["dek"])
    if vector["scp"] == "03":
        return AesDek(static)
    if vector["scp"] == "01":
        return DesDek(static)
    return DesDek(session_key(static, DERIVE_DEK, bytes.fromhex(vector["sequence_counter"])))


@pytest.mark.parametrize("key_type", [0x80, 0x81])
@pytest.mark.parametrize(("scp", "i"), [(1, 0x05), (2, 0x15)])
def test_des_keys_come_under_either_of_their_types(scp: int, i: int, key_type: int) -> None:
    card = Card(profile(scp, i))
    session = session_with(card)
    command = put_key(session, "0181", 1, keys_for(card))
    data = bytearray(command.data)
    for position in (1, 23, 45):
        assert data[position : position + 2].hex() == "8010"
        data[position] = key_type

    assert session.send(replace(command, data=bytes(data))).endswith(OK)
    assert card.keyring.groups == (KeyGroup(1, scp, i, keys_for(card)),)


@pytest.mark.parametrize(("scp", "i"), [(1, 0x15), (2, 0x15), (3, 0x70)])
@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("bare", [False, True])
def test_aes_keys_come_without_their_length_only_where_they_need_no_padding(
    scp: int, i: int, length: int, *, bare: bool
) -> None:
    card = Card(profile(scp, i, upgrade_i=0x70))
    keys = new_keys(length, AES)
    session = session_with(card)
    answer = session.send(put_key(session, "0081", 2, keys, bare=bare))

    if bare and length % session.terminal.block:
        assert answer.hex() == "6a80"
    else:
        assert answer.endswith(OK)
        assert opens(card, KeyGroup(2, 3, 0x70, keys))


def flipped(position: int) -> Callable[[bytes], bytes]:
    return lambda data: with_byte(position, data[position] ^ 0x02)(data)


def with_byte(position: int, value: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + bytes([value]) + data[position + 1 :]


# Of a version and three DES keys, 22 bytes each: 80 10 <16 bytes> 03 <3 bytes>
WRONG_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "another check value": flipped(20),
    "another check value of the last key": lambda data: flipped(len(data) - 1)(data),
    "another key": flipped(3),
    "two keys": lambda data: data[:45],
    "four keys": lambda data: data + data[45:],
    "a byte more": lambda data: data + b"\x00",
    "a byte less": lambda data: data[:-1],
    "a version alone": lambda data: data[:1],
    "nothing": lambda _: b"",
    "version 00": with_byte(0, 0x00),
    "version 80": with_byte(0, 0x80),
    "version FF": with_byte(0, 0xFF),
    "type 82": with_byte(1, 0x82),
    "type 00": with_byte(1, 0x00),
    "extended format": with_byte(1, 0xFF),
    "type AES": with_byte(1, 0x88),
    "a key of 8 bytes": lambda data: data[:2] + b"\x08" + data[3:11] + data[19:],
    "a key with its length before it": lambda data: data[:2] + b"\x11\x10" + data[3:],
    "an empty key": lambda data: data[:2] + b"\x00" + data[19:],
    "a length of two bytes": lambda data: data[:2] + b"\x81\x10" + data[3:],
    "a length beyond the end": with_byte(2, 0x7F),
    "no check value": lambda data: data[:19] + b"\x00" + data[23:],
    "a check value of two bytes": lambda data: data[:19] + b"\x02" + data[20:22] + data[23:],
    "a check value of four bytes": lambda data: data[:19] + b"\x04" + data[20:23] + data[22:],
}


@pytest.mark.parametrize("form", WRONG_FORMS)
def test_a_wrong_form_is_refused_and_changes_nothing(form: str) -> None:
    memory = NonVolatileMemory()
    card = Card(profile(2, 0x15), memory)
    session = session_with(card)
    command = put_key(session, "0181", 1, keys_for(card))
    wrong = replace(command, data=WRONG_FORMS[form](command.data))

    assert session.send(wrong).hex() == "6a80"
    assert memory.keyring is None
    assert opens(card, card.keyring.groups[0])
    again = session_with(card)
    assert again.send(put_key(again, "0181", 1, keys_for(card))).endswith(OK)


def test_a_check_value_is_that_of_the_key_s_algorithm() -> None:
    card = Card(profile(3, 0x70))
    session, keys = session_with(card), keys_for(card)
    command = put_key(session, "0181", 1, keys)
    of_des = des3_ecb_encrypt(keys[1].value, bytes(8))[:3]
    wrong = command.data.replace(keys[1].check_value, of_des)

    assert session.send(replace(command, data=wrong)).hex() == "6a80"


def test_keys_of_two_lengths_are_refused() -> None:
    card = Card(profile(3, 0x70))
    session = session_with(card)
    mixed = {**new_keys(16, AES), 3: new_keys(32, AES)[3]}

    assert session.send(put_key(session, "0081", 2, mixed)).hex() == "6a80"


def test_le_is_00_or_absent() -> None:
    card = Card(profile(3, 0x70))
    session = session_with(card)
    command = put_key(session, "0181", 1, keys_for(card))

    assert session.send(replace(command, expected=10)).hex() == "6700"
    assert session.send(replace(command, expected=None)).endswith(OK)


deks = st.sampled_from([DesDek(bytes(range(16))), AesDek(bytes(range(16))), AesDek(bytes(32))])
kinds = st.sampled_from([(DES, 16), (AES, 16), (AES, 24), (AES, 32)])
key_lists = kinds.flatmap(
    lambda kind: st.lists(
        st.builds(CardKey, st.just(kind[0]), st.binary(min_size=kind[1], max_size=kind[1])),
        min_size=3,
        max_size=3,
    )
)


@given(dek=deks, version=st.integers(1, 0x7F), keys=key_lists, bare=st.booleans())
def test_every_set_of_keys_is_read_back(
    *, dek: Dek, version: int, keys: list[CardKey], bare: bool
) -> None:
    assume(not bare or len(keys[0].value) % dek.block == 0)
    data = encode_keys(version, keys, encryption(dek), dek.block, bare=bare)
    new = codec.read(Command(0x80, PUT_KEY, 0x00, 0x81, data), dek)

    assert new.version == version
    assert new.keys == dict(zip((1, 2, 3), keys, strict=True))


@given(deks, st.binary(max_size=130), st.sampled_from([0x81, 1, 2, 3]))
def test_arbitrary_bytes_are_wrong_data(dek: Dek, data: bytes, p2: int) -> None:
    with pytest.raises(Refusal) as refusal:
        codec.read(Command(0x80, PUT_KEY, 0x00, p2, data), dek)
    assert refusal.value.status_word == StatusWord.INCORRECT_VALUES_IN_DATA


@given(deks, key_lists, st.data())
def test_a_changed_bit_never_makes_another_key(
    dek: Dek, keys: list[CardKey], data: st.DataObject
) -> None:
    wrong = bytearray(encode_keys(1, keys, encryption(dek), dek.block))
    position = data.draw(st.integers(0, 8 * len(wrong) - 1))
    wrong[position // 8] ^= 1 << position % 8
    try:
        new = codec.read(Command(0x80, PUT_KEY, 0x00, 0x81, bytes(wrong)), dek)
    except Refusal as refusal:
        assert refusal.status_word == StatusWord.INCORRECT_VALUES_IN_DATA  # noqa: PT017 - or read
    else:
        # Another version, or type 81 in place of 80: both are as good.
        assert list(new.keys.values()) == keys


def encryption(dek: Dek) -> Callable[[bytes], bytes]:
    """Return the host's side of a data encryption key."""
    if isinstance(dek, DesDek):
        return lambda data: des3_ecb_encrypt(dek.key, data)
    return lambda data: aes_cbc_encrypt(dek.key, data, bytes(16))
