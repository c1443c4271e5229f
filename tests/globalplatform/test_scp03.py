"""SCP03 with 8-byte and 16-byte challenges over published sessions and derivations."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.globalplatform import session_keys
from tests.globalplatform.key_stores import AES, KeyStore, PlainKeys, card_keys, shows
from tests.vectors import Vector, each
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import scp03
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, SecurityLevel, pad, unpad
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm, CounterInput, Use, key_check_value

C_MAC, C_ENC = SecurityLevel.C_MAC, SecurityLevel.C_ENC
R_MAC, R_ENC = SecurityLevel.R_MAC, SecurityLevel.R_ENC
BOTH = C_MAC | C_ENC
SESSIONS = "scp03_sessions.json generated_scp03_s16_sessions.json"


@each(SESSIONS)
def test_session_keys_and_cryptograms_are_those_of_the_vector(
    key_store: KeyStore, vector: Vector
) -> None:
    context = vector.bytes("host_challenge") + vector.bytes("card_challenge")
    static = card_keys(key_store, vector, "03")
    keys = scp03.session_keys(static, context, 0x70, BOTH | R_MAC)

    assert keys.enc is not None
    assert keys.rmac is not None
    assert shows(keys.enc, Use.SESSION_ENC, vector.bytes("s_enc"))
    assert shows(keys.mac, Use.SESSION_MAC, vector.bytes("s_mac"))
    if "s_rmac" in vector:
        assert shows(keys.rmac, Use.SESSION_MAC, vector.bytes("s_rmac"))
    assert scp03.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]
    assert scp03.host_cryptogram(keys, context).hex() == vector["host_cryptogram"]
    assert scp03.data_encryption_key(static[Role.DEK], context) is static[Role.DEK]


@each(SESSIONS, "mac_chaining_value")
def test_external_authenticate_leaves_the_whole_mac_as_chaining_value(
    key_store: KeyStore, vector: Vector
) -> None:
    context = vector.bytes("host_challenge") + vector.bytes("card_challenge")
    i = 0x71 if len(context) == 32 else 0x70
    level = SecurityLevel(int(vector["security_level"], 16))
    keys = scp03.session_keys(card_keys(key_store, vector, "03"), context, i, level)
    cryptogram = vector.bytes("host_cryptogram")

    state, command = scp03.external_authenticate(keys, cryptogram, i, level)

    assert state == ChannelState(i, level, 0, 0, vector.bytes("mac_chaining_value"))
    assert bytes(command).hex() == vector["external_authenticate"]


@each("scp03_card_challenges.json generated_scp03_s16_card_challenges.json")
def test_a_pseudo_random_card_challenge_is_a_derivation_from_the_enc_key(
    key_store: KeyStore, vector: Vector
) -> None:
    enc, challenge = vector.bytes("enc"), vector.bytes("card_challenge")
    key = key_store.key(AES[len(enc)], enc, Use.SESSION_MAC)
    # Amendment D 1.1.1, 6.2.2.1: constant 02, as many bits as the challenge has
    length = (len(challenge) * 8).to_bytes(2, "big")
    context = vector.bytes("sequence_counter") + vector.bytes("aid")
    fixed = CounterInput(bytes(11) + b"\x02\x00" + length, context)

    assert key.cmac(fixed.block(1))[: len(challenge)] == challenge


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


def test_static_keys_are_asked_for_as_the_level_needs_them() -> None:
    for i in scp03.IMPLEMENTATIONS:
        assert scp03.opening_roles(i) == (Role.MAC,)
        assert scp03.messaging_roles(i, C_MAC | R_MAC) == (Role.MAC,)
        assert scp03.messaging_roles(i, BOTH) == (Role.MAC, Role.ENC)
        assert scp03.dek_role(i) is Role.DEK
        assert scp03.challenge_length(i) == (16 if i & 0x01 else 8)


def test_responses_are_protected_on_cards_with_the_bits_for_it_alone() -> None:
    for i in scp03.IMPLEMENTATIONS:
        expected = {C_MAC, BOTH}
        expected |= {C_MAC | R_MAC, BOTH | R_MAC} if i & 0x20 else set()
        expected |= {BOTH | R_MAC | R_ENC} if i & 0x40 else set()
        assert scp03.levels(i) == expected


def test_without_the_static_enc_key_there_is_an_s_mac_and_no_s_enc(key_store: KeyStore) -> None:
    static = key_store.key(Algorithm.AES_128, bytes(16), Use.CARD_KEY)

    keys = scp03.session_keys({Role.MAC: static}, bytes(16), 0x70, C_MAC)

    assert (keys.enc, keys.rmac) == (None, None)
    with pytest.raises(ValueError, match="S-ENC"):
        scp03.wrap(keys, _state(BOTH), CommandApdu(0x80, 0xE2, 0, 0, b"data"))


def test_s_rmac_does_not_depend_on_whether_other_keys_are_derived(key_store: KeyStore) -> None:
    static = key_store.key(Algorithm.AES_256, bytes(range(32)), Use.CARD_KEY)
    context = bytes(range(16))

    alone = scp03.session_keys({Role.MAC: static}, context, 0x70, C_MAC | R_MAC)
    all_keys = scp03.session_keys(dict.fromkeys(Role, static), context, 0x70, BOTH | R_MAC)

    assert alone.rmac is not None
    assert all_keys.rmac is not None
    assert alone.rmac.cmac(b"") == all_keys.rmac.cmac(b"") != alone.mac.cmac(b"")


def test_commands_without_data_are_not_encrypted_and_are_counted(key_store: KeyStore) -> None:
    keys = session_keys.of_scp03(key_store)
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
    keys = session_keys.of_scp03(key_store)
    command = CommandApdu(0x80, 0xE4, 0, 0, b"\x4f\x00")

    _, on_basic = scp03.wrap(keys, _state(C_MAC), command)
    _, on_third = scp03.wrap(keys, _state(C_MAC), replace(command, cla=0x83))

    assert (on_basic.cla, on_third.cla) == (0x84, 0x87)
    assert on_basic.data == on_third.data


@pytest.mark.parametrize(
    ("i", "level", "longest", "lc"),
    [
        (0x70, C_MAC, 247, 255),
        (0x70, BOTH, 239, 248),
        (0x71, C_MAC, 239, 255),
        (0x71, BOTH, 223, 240),
    ],
)
def test_the_longest_data_are_what_a_c_mac_and_padding_leave_of_255_bytes(
    key_store: KeyStore, i: int, level: SecurityLevel, longest: int, lc: int
) -> None:
    keys = session_keys.of_scp03(key_store)
    state = replace(_state(level), i=i)

    _, wrapped = scp03.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest)))

    assert len(wrapped.data) == lc
    with pytest.raises(ServiceError) as refusal:
        scp03.wrap(keys, state, CommandApdu(0x80, 0xE2, 0, 0, bytes(longest + 1)))
    assert refusal.value.code is Code.APDU_TOO_LONG


def test_without_c_mac_commands_pass_as_they_are_and_are_counted(key_store: KeyStore) -> None:
    keys = session_keys.of_scp03(key_store)
    command = CommandApdu(0x80, 0xCA, 0, 0x66, le=256)

    state, passed = scp03.wrap(keys, _state(SecurityLevel.NONE), command)

    assert (state, passed) == (replace(_state(SecurityLevel.NONE), commands=1), command)


@settings(deadline=None)
@given(
    data=st.binary(max_size=223),
    chaining=st.binary(min_size=16, max_size=16),
    commands=st.integers(0, 2**32),
    i=st.sampled_from([0x70, 0x71]),
)
def test_a_card_gets_back_the_command_that_was_wrapped(
    data: bytes, chaining: bytes, commands: int, i: int
) -> None:
    keys = session_keys.of_scp03(PlainKeys())
    assert keys.enc is not None
    before = ChannelState(i, BOTH | R_MAC, commands, 0, chaining)
    command = CommandApdu(0x80, 0xE2, 1, 2, data, le=256)
    length = scp03.challenge_length(i)

    state, wrapped = scp03.wrap(keys, before, command)

    icv = keys.enc.encrypt_ecb((commands + 1).to_bytes(16, "big"))
    decrypted = keys.enc.decrypt_cbc(wrapped.data[:-length], icv)
    assert (unpad(decrypted) if data else b"") == data
    assert state.mac_chaining[:length] == wrapped.data[-length:]
    assert state.outstanding == (state.mac_chaining,)


def _state(level: SecurityLevel) -> ChannelState:
    return ChannelState(0x70, level, commands=0, responses=0, mac_chaining=bytes(16))
