"""SCP02 over published sessions and single steps, and by its own rules for each bit of i."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.globalplatform import session_keys
from tests.globalplatform.key_stores import KeyStore, PlainKeys, card_keys, shows
from tests.vectors import Vector, each, read
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import apdu, initialize_update, scp02
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, SecurityLevel, unpad
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm, Key, Use, key_check_value
from tmsd.globalplatform.scp02 import SessionKeys
from tmsd.globalplatform.triple_des_mac import full_mac, retail_mac

CALCULATIONS = "scp02_calculations.json"
C_MAC, C_ENC, R_MAC = SecurityLevel.C_MAC, SecurityLevel.C_ENC, SecurityLevel.R_MAC
BOTH = C_MAC | C_ENC

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


@each("scp02_sessions.json")
def test_session_keys_and_cryptograms_are_the_published_ones(
    key_store: KeyStore, vector: Vector
) -> None:
    context = _context(vector)
    keys = scp02.session_keys(card_keys(key_store, vector, "02"), context, 0x15, BOTH | R_MAC)

    assert keys.enc is not None
    assert keys.rmac is not None
    named = {"s_enc": keys.enc, "s_mac": keys.mac.whole, "s_rmac": keys.rmac.whole}
    for name, key in named.items():
        if name in vector:
            assert shows(key, Use.SESSION_ENC, vector.bytes(name))
        if f"{name}_kcv" in vector:
            assert key_check_value(key).hex() == vector[f"{name}_kcv"]
    for pair, name in ((keys.mac, "s_mac"), (keys.rmac, "s_rmac")):
        if name in vector:
            assert shows(pair.first_half, Use.SESSION_ENC, vector.bytes(name)[:8] * 2)
    if "card_cryptogram" in vector:
        assert scp02.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]
    if "host_cryptogram" in vector:
        assert scp02.host_cryptogram(keys, context).hex() == vector["host_cryptogram"]


@each("scp02_sessions.json", "s_dek")
def test_the_data_encryption_key_is_the_published_one(key_store: KeyStore, vector: Vector) -> None:
    static = card_keys(key_store, vector, "02")[scp02.dek_role(0x15)]

    dek = scp02.data_encryption_key(static, _context(vector))

    assert shows(dek, Use.DEK, vector.bytes("s_dek"))


@each("scp02_sessions.json", "aid")
def test_a_pseudo_random_card_challenge_is_a_retail_mac_of_the_aid(
    key_store: KeyStore, vector: Vector
) -> None:
    keys = scp02.session_keys(card_keys(key_store, vector, "02"), _context(vector), 0x55, C_MAC)

    # Card Specification 2.3.1, E.4.2.3
    challenge = retail_mac(keys.mac, vector.bytes("aid"), bytes(8))[:6]

    assert challenge.hex() == vector["card_challenge"]


@pytest.mark.parametrize(("vector", "name"), PUBLISHED_KEYS)
def test_every_session_key_is_one_cbc_derivation_away_from_its_static_key(
    key_store: KeyStore, vector: Vector, name: str
) -> None:
    role, constant = CONSTANTS[name]
    static = key_store.key(Algorithm.DES2, vector.bytes(role.name.lower()), Use.CARD_KEY)
    data = constant + _context(vector)[:2] + bytes(12)

    key = static.derive_cbc(data, Algorithm.DES2, Use.SESSION_ENC)

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
def test_a_published_full_triple_des_mac_is_computed(key_store: KeyStore, vector: Vector) -> None:
    key = key_store.key(Algorithm.DES2, vector.bytes("key"), Use.SESSION_ENC)

    assert full_mac(key, vector.bytes("message")).hex() == vector["mac"]


@each(CALCULATIONS, kind="retail MAC")
def test_a_published_retail_mac_is_that_of_external_authenticate(
    key_store: KeyStore, vector: Vector
) -> None:
    keys = _session_keys(key_store, vector.bytes("key"))
    message, mac = vector.bytes("message"), vector.bytes("mac")
    level, cryptogram = SecurityLevel(message[2]), message[5:]

    state, command = scp02.external_authenticate(keys, cryptogram, 0x15, level)

    assert command.data == cryptogram + mac
    assert state == ChannelState(0x15, level, 0, 0, mac, response_chaining=mac)


@each(CALCULATIONS, kind="wrap")
def test_a_published_command_is_wrapped_from_its_icv(key_store: KeyStore, vector: Vector) -> None:
    keys = _session_keys(key_store, vector.bytes("s_mac"))
    command = apdu.parse(vector.bytes("plain"))

    if vector["first"]:
        level = SecurityLevel(command.p1)
        _, wrapped = scp02.external_authenticate(keys, command.data, 0x15, level)
    else:
        _, wrapped = scp02.wrap(keys, _state(C_MAC, vector.bytes("icv")), command)

    assert bytes(wrapped).hex() == vector["wrapped"]


def test_with_one_base_key_every_session_key_comes_from_it() -> None:
    for i in scp02.IMPLEMENTATIONS:
        if i & 0x01:
            assert scp02.opening_roles(i) == (Role.MAC, Role.ENC)
            assert scp02.messaging_roles(i, C_MAC) == (Role.MAC,)
            assert scp02.messaging_roles(i, BOTH) == (Role.MAC, Role.ENC)
            assert scp02.dek_role(i) is Role.DEK
        else:
            assert scp02.opening_roles(i) == (Role.ENC,)
            assert scp02.messaging_roles(i, BOTH) == (Role.ENC,)
            assert scp02.dek_role(i) is Role.ENC


@pytest.mark.parametrize("i", [0x04, 0x14, 0x34, 0x54, 0x74])
def test_a_card_with_one_base_key_is_a_card_whose_keys_are_all_the_same(
    key_store: KeyStore, i: int
) -> None:
    base = key_store.key(Algorithm.DES2, bytes(range(16)), Use.CARD_KEY)
    context = bytes(range(16))

    one = scp02.session_keys({Role.ENC: base}, context, i, BOTH | R_MAC)
    three = scp02.session_keys(dict.fromkeys(Role, base), context, i | 0x01, BOTH | R_MAC)

    assert scp02.card_cryptogram(one, context) == scp02.card_cryptogram(three, context)
    for mine, its in ((one.mac, three.mac), (one.rmac, three.rmac)):
        assert mine is not None
        assert its is not None
        assert retail_mac(mine, b"data", bytes(8)) == retail_mac(its, b"data", bytes(8))


def test_r_mac_is_a_level_of_cards_with_its_bit_alone() -> None:
    for i in scp02.IMPLEMENTATIONS:
        with_r_mac = {C_MAC | R_MAC, BOTH | R_MAC}
        assert scp02.levels(i) == {C_MAC, BOTH} | (with_r_mac if i & 0x20 else set())


@pytest.mark.parametrize("i", scp02.IMPLEMENTATIONS)
def test_the_icv_is_encrypted_where_i_says_so(key_store: KeyStore, i: int) -> None:
    keys = _session_keys(key_store, bytes(range(16)))
    command = CommandApdu(0x80, 0xE2, 0, 0, b"data")
    icv = bytes(range(8))

    _, wrapped = scp02.wrap(keys, replace(_state(C_MAC, icv), i=i), command)

    # Card Specification 2.3.1, E.3.4: single DES with the first half of the C-MAC key.
    start = keys.mac.first_half.encrypt_ecb(icv) if i & 0x10 else icv
    header = bytes.fromhex("84e200000c")
    assert wrapped.data[4:] == retail_mac(keys.mac, header + b"data", start)


def test_commands_without_data_are_not_encrypted(key_store: KeyStore) -> None:
    keys = _session_keys(key_store, bytes(range(16)), bytes(range(16, 32)))

    _, wrapped = scp02.wrap(keys, _state(BOTH), CommandApdu(0x80, 0xCA, 0, 0x66, le=256))

    assert (wrapped.cla, len(wrapped.data), wrapped.le) == (0x84, 8, 256)


def test_the_c_mac_is_computed_as_on_channel_0_and_the_channel_stays_in_the_class(
    key_store: KeyStore,
) -> None:
    keys = _session_keys(key_store, bytes(range(16)))
    command = CommandApdu(0x80, 0xE4, 0, 0, b"\x4f\x00")

    _, on_basic = scp02.wrap(keys, _state(C_MAC), command)
    _, on_third = scp02.wrap(keys, _state(C_MAC), replace(command, cla=0x83))

    assert (on_basic.cla, on_third.cla) == (0x84, 0x87)
    assert on_basic.data == on_third.data


def test_the_longest_data_are_247_bytes_with_a_c_mac_and_239_encrypted(
    key_store: KeyStore,
) -> None:
    keys = _session_keys(key_store, bytes(range(16)), bytes(range(16, 32)))

    for level, longest, lc in ((C_MAC, 247, 255), (BOTH, 239, 248)):
        state = _state(level)
        _, wrapped = scp02.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest)))
        assert len(wrapped.data) == lc
        with pytest.raises(ServiceError) as refusal:
            scp02.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest + 1)))
        assert refusal.value.code is Code.APDU_TOO_LONG


def test_without_c_mac_commands_pass_as_they_are_and_are_counted(key_store: KeyStore) -> None:
    keys = _session_keys(key_store, bytes(range(16)))
    state = replace(_state(SecurityLevel.NONE), commands=3)
    command = CommandApdu(0x80, 0xCA, 0, 0x66, le=256)

    assert scp02.wrap(keys, state, command) == (replace(state, commands=4), command)


def test_c_enc_without_s_enc_is_a_mistake_and_never_sends_plain_data(key_store: KeyStore) -> None:
    keys = _session_keys(key_store, bytes(range(16)))

    with pytest.raises(ValueError, match="S-ENC"):
        scp02.wrap(keys, _state(BOTH), CommandApdu(0x80, 0xE2, 0, 0, b"data"))


@settings(deadline=None)
@given(data=st.binary(max_size=239), chaining=st.binary(min_size=8, max_size=8))
def test_a_card_gets_back_the_command_that_was_wrapped(data: bytes, chaining: bytes) -> None:
    keys = session_keys.of_scp02(PlainKeys())
    assert keys.enc is not None
    command = CommandApdu(0x80, 0xE2, 1, 2, data, le=256)

    state, wrapped = scp02.wrap(keys, _state(BOTH | R_MAC, chaining), command)

    decrypted = keys.enc.decrypt_cbc(wrapped.data[:-8], bytes(8))
    assert (unpad(decrypted) if data else b"") == data
    # Card Specification 2.3.1, E.4.5: the R-MAC covers the command before protection.
    assert state.outstanding == (bytes([0x80, 0xE2, 1, 2, len(data)]) + data,)
    assert state.mac_chaining == wrapped.data[-8:]


def _context(vector: Vector) -> bytes:
    if "initialize_update" in vector:
        card = initialize_update.parse(vector.bytes("initialize_update"))
        return scp02.session_context(vector.bytes("host_challenge"), card)
    challenge = vector.bytes("card_challenge") if "card_challenge" in vector else bytes(6)
    return vector.bytes("sequence_counter") + challenge + vector.bytes("host_challenge")


def _state(level: SecurityLevel, chaining: bytes = bytes(8)) -> ChannelState:
    return ChannelState(0x15, level, commands=0, responses=0, mac_chaining=chaining)


def _session_keys(key_store: KeyStore, mac: bytes, enc: bytes | None = None) -> SessionKeys[Key]:
    s_enc = None if enc is None else key_store.key(Algorithm.DES2, enc, Use.SESSION_ENC)
    return SessionKeys(session_keys.triple_des_mac_keys(key_store, mac), s_enc, None)
