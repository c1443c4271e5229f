"""SCP02 i=15 over published sessions, traces and single steps."""

from dataclasses import replace

import pytest

from tests.globalplatform.key_stores import DES, KeyStore, card_keys, shows
from tests.vectors import Vector, each, read
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import apdu, initialize_update, scp02
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, SecurityLevel, pad
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm, Key, Use, key_check_value
from tmsd.globalplatform.scp02 import SessionKeys

CALCULATIONS = "scp02_calculations.json"

# Derivation constants of all four session keys, Card Specification 2.3.1, E.4.1
CONSTANTS = {
    "s_mac": (Role.MAC, b"\x01\x01"),
    "s_rmac": (Role.MAC, b"\x01\x02"),
    "s_dek": (Role.DEK, b"\x01\x81"),
    "s_enc": (Role.ENC, b"\x01\x82"),
}
PUBLISHED_KEYS = [
    pytest.param(vector, name, id=f"{vector['id']}-{name}")
    for vector in read("scp02_sessions.json")
    for name in CONSTANTS
    if name in vector or f"{name}_kcv" in vector
]


@each("scp02_traces.json")
def test_a_channel_repeats_the_published_trace(key_store: KeyStore, vector: Vector) -> None:
    card = initialize_update.parse(vector.bytes("initialize_update"))
    context = scp02.session_context(vector.bytes("host_challenge"), card)
    keys = scp02.session_keys(card_keys(key_store, DES, vector), context)
    level = SecurityLevel(int(vector["security_level"], 16))

    assert scp02.card_cryptogram(keys, context) == card.card_cryptogram
    host_cryptogram = scp02.host_cryptogram(keys, context)
    state, command = scp02.external_authenticate(keys, host_cryptogram, level)
    assert bytes(command).hex() == vector["external_authenticate"]
    for step in vector["steps"]:
        state, wrapped = scp02.wrap(keys, state, apdu.parse(bytes.fromhex(step["plain"])))
        assert bytes(wrapped).hex() == step["wrapped"]


@each("scp02_sessions.json")
def test_session_keys_and_cryptograms_are_the_published_ones(
    key_store: KeyStore, vector: Vector
) -> None:
    if "initialize_update" in vector:
        card = initialize_update.parse(vector.bytes("initialize_update"))
        context = scp02.session_context(vector.bytes("host_challenge"), card)
    else:
        context = vector.bytes("sequence_counter") + bytes(6) + vector.bytes("host_challenge")
    keys = scp02.session_keys(card_keys(key_store, DES, vector), context)

    assert keys.enc is not None
    for name, key in (("s_enc", keys.enc), ("s_mac", keys.mac)):
        if name in vector:
            assert shows(key, Use.SESSION_ENC, vector.bytes(name))
        if f"{name}_kcv" in vector:
            assert key_check_value(key).hex() == vector[f"{name}_kcv"]
    if "card_cryptogram" in vector:
        assert scp02.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]
    if "host_cryptogram" in vector:
        assert scp02.host_cryptogram(keys, context).hex() == vector["host_cryptogram"]


@pytest.mark.parametrize(("vector", "name"), PUBLISHED_KEYS)
def test_every_session_key_is_one_cbc_derivation_away_from_its_static_key(
    key_store: KeyStore, vector: Vector, name: str
) -> None:
    role, constant = CONSTANTS[name]
    static = key_store.key(Algorithm.DES2, vector.bytes(role.name.lower()), Use.CARD_KEY)
    counter = (
        vector.bytes("sequence_counter")
        if "sequence_counter" in vector
        else vector.bytes("initialize_update")[12:14]
    )

    key = static.derive_cbc(constant + counter + bytes(12), Algorithm.DES2, Use.SESSION_ENC)

    if name in vector:
        assert shows(key, Use.SESSION_ENC, vector.bytes(name))
    else:
        assert key_check_value(key).hex() == vector[f"{name}_kcv"]


@each(CALCULATIONS, kind="session key")
def test_a_published_session_key_is_derived(key_store: KeyStore, vector: Vector) -> None:
    static = key_store.key(Algorithm.DES2, vector.bytes("key"), Use.CARD_KEY)
    data = vector.bytes("constant") + vector.bytes("sequence_counter") + bytes(12)

    key = static.derive_cbc(data, Algorithm.DES2, Use.SESSION_ENC)

    assert shows(key, Use.SESSION_ENC, vector.bytes("session_key"))


@each(CALCULATIONS, kind="cryptogram")
def test_a_published_cryptogram_is_made_with_the_session_key_alone(
    key_store: KeyStore, vector: Vector
) -> None:
    keys = _session_keys(key_store, bytes(16), vector.bytes("s_enc"))
    context = vector.bytes("card_challenge") + vector.bytes("host_challenge")

    if "card_cryptogram" in vector:
        assert scp02.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]
    if "host_cryptogram" in vector:
        assert scp02.host_cryptogram(keys, context).hex() == vector["host_cryptogram"]


@each(CALCULATIONS, kind="full triple DES MAC")
def test_a_published_full_triple_des_mac_is_the_last_block_of_a_cbc(
    key_store: KeyStore, vector: Vector
) -> None:
    key = key_store.key(Algorithm.DES2, vector.bytes("key"), Use.SESSION_ENC)

    padded = pad(vector.bytes("message"), 8)

    assert key.encrypt_cbc(padded, bytes(8))[-8:].hex() == vector["mac"]


@each(CALCULATIONS, kind="retail MAC")
def test_a_published_retail_mac_is_that_of_external_authenticate(
    key_store: KeyStore, vector: Vector
) -> None:
    keys = _session_keys(key_store, vector.bytes("key"))
    message = vector.bytes("message")
    level, cryptogram = SecurityLevel(message[2]), message[5:]

    state, command = scp02.external_authenticate(keys, cryptogram, level)

    assert command.data == cryptogram + vector.bytes("mac")
    assert state == ChannelState(level, 0, vector.bytes("mac"))


@each(CALCULATIONS, kind="wrap")
def test_a_published_command_is_wrapped_from_its_icv(key_store: KeyStore, vector: Vector) -> None:
    keys = _session_keys(key_store, vector.bytes("s_mac"))
    command = apdu.parse(vector.bytes("plain"))

    if vector["first"]:
        _, wrapped = scp02.external_authenticate(keys, command.data, SecurityLevel(command.p1))
    else:
        state = ChannelState(SecurityLevel.C_MAC, 1, vector.bytes("icv"))
        _, wrapped = scp02.wrap(keys, state, command)

    assert bytes(wrapped).hex() == vector["wrapped"]


@each(CALCULATIONS, kind="key encryption")
def test_a_published_key_is_encrypted_under_the_session_dek(
    key_store: KeyStore, vector: Vector
) -> None:
    static = key_store.key(Algorithm.DES2, vector.bytes("dek"), Use.CARD_KEY)
    data = b"\x01\x81" + vector.bytes("sequence_counter") + bytes(12)

    dek = static.derive_cbc(data, Algorithm.DES2, Use.DEK)

    assert dek.encrypt_ecb(vector.bytes("key")).hex() == vector["encrypted"]


def test_commands_without_data_are_not_encrypted(key_store: KeyStore) -> None:
    keys = _session_keys(key_store, bytes(range(16)), bytes(range(16, 32)))
    state = ChannelState(SecurityLevel.C_MAC | SecurityLevel.C_ENC, 0, bytes(8))

    _, wrapped = scp02.wrap(keys, state, CommandApdu(0x80, 0xCA, 0, 0x66, le=256))

    assert (wrapped.cla, len(wrapped.data), wrapped.le) == (0x84, 8, 256)


def test_the_c_mac_is_computed_as_on_channel_0_and_the_channel_stays_in_the_class(
    key_store: KeyStore,
) -> None:
    keys = _session_keys(key_store, bytes(range(16)))
    state = ChannelState(SecurityLevel.C_MAC, 0, bytes(8))
    command = CommandApdu(0x80, 0xE4, 0, 0, b"\x4f\x00")

    _, on_basic = scp02.wrap(keys, state, command)
    _, on_third = scp02.wrap(keys, state, replace(command, cla=0x83))

    assert (on_basic.cla, on_third.cla) == (0x84, 0x87)
    assert on_basic.data == on_third.data


def test_the_longest_data_are_247_bytes_with_a_c_mac_and_239_encrypted(
    key_store: KeyStore,
) -> None:
    keys = _session_keys(key_store, bytes(range(16)), bytes(range(16, 32)))
    mac = ChannelState(SecurityLevel.C_MAC, 0, bytes(8))
    enc = ChannelState(SecurityLevel.C_MAC | SecurityLevel.C_ENC, 0, bytes(8))

    for state, longest, lc in ((mac, 247, 255), (enc, 239, 248)):
        _, wrapped = scp02.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest)))
        assert len(wrapped.data) == lc
        with pytest.raises(ServiceError) as refusal:
            scp02.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest + 1)))
        assert refusal.value.code is Code.APDU_TOO_LONG


def test_without_c_mac_commands_pass_as_they_are_and_are_counted(key_store: KeyStore) -> None:
    keys = _session_keys(key_store, bytes(range(16)))
    state = ChannelState(SecurityLevel.NONE, 3, bytes(8))
    command = CommandApdu(0x80, 0xCA, 0, 0x66, le=256)

    assert scp02.wrap(keys, state, command) == (replace(state, commands=4), command)


def test_c_enc_without_s_enc_is_a_mistake_and_never_sends_plain_data(key_store: KeyStore) -> None:
    keys = _session_keys(key_store, bytes(range(16)))
    state = ChannelState(SecurityLevel.C_MAC | SecurityLevel.C_ENC, 0, bytes(8))

    with pytest.raises(ValueError, match="S-ENC"):
        scp02.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, b"data"))


def _session_keys(key_store: KeyStore, mac: bytes, enc: bytes | None = None) -> SessionKeys[Key]:
    def key(value: bytes, use: Use) -> Key:
        return key_store.key(Algorithm.DES2, value, use)

    s_enc = None if enc is None else key(enc, Use.SESSION_ENC)
    s_mac, first_half = key(mac, Use.SESSION_MAC), key(mac[:8] * 2, Use.SESSION_MAC)
    return SessionKeys(s_mac, first_half, s_enc)
