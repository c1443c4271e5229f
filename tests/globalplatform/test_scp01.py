"""SCP01 over published sessions, and what its wrapping is by its own rules."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.globalplatform import session_keys
from tests.globalplatform.key_stores import KeyStore, PlainKeys, card_keys, shows
from tests.vectors import Vector, each
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import initialize_update, scp01
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Use, key_check_value
from tmsd.globalplatform.plain_key import odd_parity

C_MAC, C_ENC = SecurityLevel.C_MAC, SecurityLevel.C_ENC
BOTH = C_MAC | C_ENC


@each("scp01_sessions.json")
def test_session_keys_and_cryptograms_are_the_published_ones(
    key_store: KeyStore, vector: Vector
) -> None:
    static = card_keys(key_store, vector, "01")
    if "initialize_update" in vector:
        card = initialize_update.parse(vector.bytes("initialize_update"))
        context = scp01.session_context(vector.bytes("host_challenge"), card)
    else:
        context = vector.bytes("card_challenge") + vector.bytes("host_challenge")
    keys = scp01.session_keys(static, context, 0x05, C_MAC)

    assert keys.enc is not None
    if "s_mac" in vector:
        assert shows(keys.mac, Use.SESSION_MAC, odd_parity(vector.bytes("s_mac")))
    for name, key in (("s_enc", keys.enc), ("s_mac", keys.mac)):
        if f"{name}_kcv" in vector:
            assert key_check_value(key).hex() == vector[f"{name}_kcv"]
    if "s_dek_kcv" in vector:
        # The static DEK itself; a triple DES card key shows no check value in a token.
        dek = card_keys(key_store, vector, "01", Use.DEK)[Role.DEK]
        assert key_check_value(scp01.data_encryption_key(dek, context)).hex() == vector["s_dek_kcv"]
    if "card_cryptogram" in vector:
        assert scp01.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]


def test_opening_takes_mac_and_enc_and_c_mac_alone_takes_no_enc() -> None:
    assert scp01.opening_roles(0x05) == (Role.MAC, Role.ENC)
    assert scp01.messaging_roles(0x15, C_MAC) == (Role.MAC,)
    assert scp01.messaging_roles(0x15, BOTH) == (Role.MAC, Role.ENC)
    assert scp01.dek_role(0x05) is Role.DEK
    assert scp01.levels(0x05) == {C_MAC, BOTH}


def test_without_s_enc_no_cryptogram_and_no_encrypted_command_is_made(
    key_store: KeyStore,
) -> None:
    keys = session_keys.of_scp01(key_store, enc=False)

    with pytest.raises(ValueError, match="S-ENC"):
        scp01.card_cryptogram(keys, bytes(16))
    with pytest.raises(ValueError, match="S-ENC"):
        scp01.wrap(keys, _state(BOTH), CommandApdu(0x80, 0xE2, 0, 0, b"data"))


def test_the_icv_is_encrypted_with_i_15_and_not_with_i_05(key_store: KeyStore) -> None:
    keys = session_keys.of_scp01(key_store)
    command = CommandApdu(0x80, 0xE2, 0, 0, b"data")
    chaining = bytes(range(8))

    _, plain_icv = scp01.wrap(keys, _state(C_MAC, chaining), command)
    _, encrypted = scp01.wrap(keys, replace(_state(C_MAC, chaining), i=0x15), command)

    # Open Platform 2.1.1, D.1.5: what i=15 starts from is i=05's start, encrypted once.
    start = keys.mac.encrypt_ecb(chaining)
    assert scp01.wrap(keys, _state(C_MAC, start), command)[1] == encrypted != plain_icv


@pytest.mark.parametrize("length", [1, 6, 7, 8, 14, 15])
def test_encrypted_data_begin_with_their_length_and_are_padded_only_if_need_be(
    key_store: KeyStore, length: int
) -> None:
    keys = session_keys.of_scp01(key_store)
    assert keys.enc is not None

    _, wrapped = scp01.wrap(keys, _state(BOTH), CommandApdu(0x80, 0xE2, 0, 0, b"\xaa" * length))

    decrypted = keys.enc.decrypt_cbc(wrapped.data[:-8], bytes(8))
    filled = length + 1 if (length + 1) % 8 == 0 else length + 2
    assert decrypted[: length + 1] == bytes([length]) + b"\xaa" * length
    assert len(decrypted) == -(-filled // 8) * 8
    assert decrypted[length + 1 :].rstrip(b"\x00") in (b"", b"\x80")


def test_commands_without_data_are_not_encrypted(key_store: KeyStore) -> None:
    keys = session_keys.of_scp01(key_store)

    _, wrapped = scp01.wrap(keys, _state(BOTH), CommandApdu(0x80, 0xCA, 0, 0x66, le=256))

    assert (wrapped.cla, len(wrapped.data), wrapped.le) == (0x84, 8, 256)


def test_the_longest_data_are_247_bytes_with_a_c_mac_and_239_encrypted(
    key_store: KeyStore,
) -> None:
    keys = session_keys.of_scp01(key_store)

    for level, longest, lc in ((C_MAC, 247, 255), (BOTH, 239, 248)):
        _, wrapped = scp01.wrap(keys, _state(level), CommandApdu(0x80, 0xE2, 0, 0, bytes(longest)))
        assert len(wrapped.data) == lc
        with pytest.raises(ServiceError) as refusal:
            scp01.wrap(keys, _state(level), CommandApdu(0x80, 0xE2, 0, 0, bytes(longest + 1)))
        assert refusal.value.code is Code.APDU_TOO_LONG


@settings(deadline=None)
@given(data=st.binary(max_size=239), chaining=st.binary(min_size=8, max_size=8))
def test_a_card_gets_back_the_command_that_was_wrapped(data: bytes, chaining: bytes) -> None:
    keys = session_keys.of_scp01(PlainKeys())
    assert keys.enc is not None
    command = CommandApdu(0x80, 0xE2, 1, 2, data, le=256)

    state, wrapped = scp01.wrap(keys, _state(BOTH, chaining), command)

    counted = keys.enc.decrypt_cbc(wrapped.data[:-8], bytes(8)) if data else b"\x00"
    assert counted[1 : 1 + counted[0]] == data
    assert state == replace(_state(BOTH, wrapped.data[-8:]), commands=1)


def _state(level: SecurityLevel, chaining: bytes = bytes(8)) -> ChannelState:
    return ChannelState(0x05, level, commands=0, responses=0, mac_chaining=chaining)
