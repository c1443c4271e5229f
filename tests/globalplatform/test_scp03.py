"""SCP03 with 8-byte challenges over published sessions, traces and derivations."""

from dataclasses import replace

import pytest

from tests.globalplatform.key_stores import AES, KeyStore, card_keys, shows
from tests.vectors import Vector, each
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import apdu, initialize_update, scp03
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, SecurityLevel, pad
from tmsd.globalplatform.keys import Algorithm, CounterInput, Key, Use, key_check_value
from tmsd.globalplatform.scp03 import SessionKeys

BOTH = SecurityLevel.C_MAC | SecurityLevel.C_ENC


@each("scp03_traces.json")
def test_a_channel_repeats_the_published_trace(key_store: KeyStore, vector: Vector) -> None:
    card = initialize_update.parse(vector.bytes("initialize_update"))
    context = scp03.session_context(vector.bytes("host_challenge"), card)
    keys = scp03.session_keys(card_keys(key_store, AES, vector), context)
    level = SecurityLevel(int(vector["security_level"], 16))

    assert scp03.card_cryptogram(keys, context) == card.card_cryptogram
    host_cryptogram = scp03.host_cryptogram(keys, context)
    state, command = scp03.external_authenticate(keys, host_cryptogram, level)
    if "external_authenticate" in vector:
        assert bytes(command).hex() == vector["external_authenticate"]
    for step in vector["steps"]:
        state, wrapped = scp03.wrap(keys, state, apdu.parse(bytes.fromhex(step["plain"])))
        if "wrapped" in step:
            assert bytes(wrapped).hex() == step["wrapped"]
        else:
            assert wrapped.data[:-8].hex() == step["ciphertext"]


@each("scp03_sessions.json")
def test_session_keys_and_cryptograms_are_the_published_ones(
    key_store: KeyStore, vector: Vector
) -> None:
    context = vector.bytes("host_challenge") + vector.bytes("card_challenge")
    keys = scp03.session_keys(card_keys(key_store, AES, vector), context)

    assert keys.enc is not None
    assert shows(keys.enc, Use.SESSION_ENC, vector.bytes("s_enc"))
    assert shows(keys.mac, Use.SESSION_MAC, vector.bytes("s_mac"))
    assert scp03.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]
    assert scp03.host_cryptogram(keys, context).hex() == vector["host_cryptogram"]


@each("scp03_sessions.json", "mac_chaining_value")
def test_external_authenticate_leaves_the_whole_mac_as_chaining_value(
    key_store: KeyStore, vector: Vector
) -> None:
    context = vector.bytes("host_challenge") + vector.bytes("card_challenge")
    keys = scp03.session_keys(card_keys(key_store, AES, vector), context)
    level = SecurityLevel(int(vector["security_level"], 16))

    state, command = scp03.external_authenticate(keys, vector.bytes("host_cryptogram"), level)

    assert state == ChannelState(level, 0, vector.bytes("mac_chaining_value"))
    assert bytes(command).hex() == vector["external_authenticate"]


@each("scp03_kdf.json")
def test_the_data_derivation_scheme_gives_the_published_keys(
    key_store: KeyStore, vector: Vector
) -> None:
    key = key_store.key(AES[len(vector.bytes("key"))], vector.bytes("key"), Use.CARD_KEY)
    bits: int = vector["bits"]
    label = bytes(11) + vector.bytes("constant")
    fixed = CounterInput(label + b"\x00" + bits.to_bytes(2, "big"), vector.bytes("context"))

    (derived,) = key.derive_counter([fixed], AES[bits // 8], Use.CARD_KEY)

    if "derived" in vector:
        assert shows(derived, Use.CARD_KEY, vector.bytes("derived"))
    else:
        assert key_check_value(derived).hex() == vector["kcv"]


@each("scp03_calculations.json")
def test_a_published_c_mac_covers_the_data_encrypted_from_counter_1(
    key_store: KeyStore, vector: Vector
) -> None:
    s_enc = key_store.key(Algorithm.AES_128, vector.bytes("s_enc"), Use.SESSION_ENC)
    s_mac = key_store.key(Algorithm.AES_128, vector.bytes("s_mac"), Use.SESSION_MAC)

    icv = s_enc.encrypt_ecb((1).to_bytes(16, "big"))
    encrypted = s_enc.encrypt_cbc(pad(vector.bytes("data"), 16), icv)

    assert s_mac.cmac(bytes(16) + encrypted)[:8].hex() == vector["mac"]


def test_without_the_static_enc_key_there_is_an_s_mac_and_no_s_enc(key_store: KeyStore) -> None:
    static = key_store.key(Algorithm.AES_128, bytes(16), Use.CARD_KEY)

    keys = scp03.session_keys({scp03.OPENING_ROLES[0]: static}, bytes(16))

    assert keys.enc is None
    with pytest.raises(ValueError, match="S-ENC"):
        scp03.wrap(keys, _state(BOTH), CommandApdu(0x80, 0xE2, 0, 0, b"data"))


def test_commands_without_data_are_not_encrypted_and_are_counted(key_store: KeyStore) -> None:
    keys = _session_keys(key_store)
    empty = CommandApdu(0x80, 0xCA, 0, 0x66, le=256)
    full = CommandApdu(0x80, 0xE2, 0, 0, b"data")

    state, first = scp03.wrap(keys, _state(BOTH), empty)
    _, second = scp03.wrap(keys, state, full)

    assert (first.cla, len(first.data), first.le) == (0x84, 8, 256)
    # Amendment D, 6.2.6: nothing to encrypt, and the counter advances nevertheless.
    assert keys.enc is not None
    icv = keys.enc.encrypt_ecb((2).to_bytes(16, "big"))
    assert second.data[:16] == keys.enc.encrypt_cbc(b"data\x80" + bytes(11), icv)


def test_the_c_mac_is_computed_as_on_channel_0_and_the_channel_stays_in_the_class(
    key_store: KeyStore,
) -> None:
    keys = _session_keys(key_store)
    command = CommandApdu(0x80, 0xE4, 0, 0, b"\x4f\x00")

    _, on_basic = scp03.wrap(keys, _state(SecurityLevel.C_MAC), command)
    _, on_third = scp03.wrap(keys, _state(SecurityLevel.C_MAC), replace(command, cla=0x83))

    assert (on_basic.cla, on_third.cla) == (0x84, 0x87)
    assert on_basic.data == on_third.data


def test_the_longest_data_are_247_bytes_with_a_c_mac_and_239_encrypted(
    key_store: KeyStore,
) -> None:
    keys = _session_keys(key_store)

    for level, longest, lc in ((SecurityLevel.C_MAC, 247, 255), (BOTH, 239, 248)):
        state = _state(level)
        _, wrapped = scp03.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest)))
        assert len(wrapped.data) == lc
        with pytest.raises(ServiceError) as refusal:
            scp03.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest + 1)))
        assert refusal.value.code is Code.APDU_TOO_LONG


def test_without_c_mac_commands_pass_as_they_are_and_are_counted(key_store: KeyStore) -> None:
    keys = _session_keys(key_store)
    command = CommandApdu(0x80, 0xCA, 0, 0x66, le=256)

    state, passed = scp03.wrap(keys, _state(SecurityLevel.NONE), command)

    assert (state, passed) == (replace(_state(SecurityLevel.NONE), commands=1), command)


def _state(level: SecurityLevel) -> ChannelState:
    return ChannelState(level, 0, bytes(16))


def _session_keys(key_store: KeyStore) -> SessionKeys[Key]:
    mac = key_store.key(Algorithm.AES_128, bytes(range(16)), Use.SESSION_MAC)
    enc = key_store.key(Algorithm.AES_128, bytes(range(16, 32)), Use.SESSION_ENC)
    return SessionKeys(mac, enc)
