"""Responses: R-MAC and R-ENC come off as they were put on, and nothing else passes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.refusals import require
from tests.globalplatform import session_keys
from tests.globalplatform.key_stores import KeyStore, PlainKeys
from tests.vectors import Vector, each
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import scp02, scp03
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, Response, SecurityLevel, pad
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.globalplatform.protocols import PROTOCOLS, SecureChannelProtocol
from tmsd.globalplatform.triple_des_mac import retail_mac

C_MAC, C_ENC = SecurityLevel.C_MAC, SecurityLevel.C_ENC
R_MAC, R_ENC = SecurityLevel.R_MAC, SecurityLevel.R_ENC
COMMAND = CommandApdu(0x80, 0xCA, 0, 0x66, le=256)
OK = b"\x90\x00"

DATA = st.binary(max_size=230)
GOOD_STATUS = st.sampled_from([OK, b"\x62\x83", b"\x63\x10"])


@dataclass
class Card:
    """A card's side of a channel's responses, by keys in memory and its own bookkeeping."""

    scp: int
    level: SecurityLevel
    length: int = 8
    counter: int = 0
    chaining: bytes = bytes(8)

    def answers(self, state: ChannelState, data: bytes, status: bytes) -> bytes:
        """Return the protected response to the oldest command that has none."""
        self.counter += 1
        keys = PlainKeys()
        covered = state.outstanding[0]
        if self.scp == 2:
            rmac = session_keys.triple_des_mac_keys(keys, session_keys.RMAC)
            covered += bytes([len(data)]) + data + status
            self.chaining = retail_mac(rmac, covered, self.chaining)
            return data + self.chaining + status
        if data and self.level & R_ENC:
            enc = PlainKey(Algorithm.AES_128, session_keys.ENC)
            icv = enc.encrypt_ecb(b"\x80" + self.counter.to_bytes(15, "big"))
            data = enc.encrypt_cbc(pad(data, 16), icv)
        mac = PlainKey(Algorithm.AES_128, session_keys.RMAC).cmac(covered + data + status)
        return data + mac[: self.length] + status


Open = tuple[SecureChannelProtocol[Any], Any, ChannelState, Card]
KEYS: dict[int, Callable[[KeyStore], Any]] = {
    1: session_keys.of_scp01,
    2: session_keys.of_scp02,
    3: session_keys.of_scp03,
}
CHANNELS = [
    pytest.param(2, 0x35, C_MAC | R_MAC, id="SCP02 R-MAC"),
    pytest.param(2, 0x75, C_MAC | C_ENC | R_MAC, id="SCP02 R-MAC beside C-ENC"),
    pytest.param(3, 0x20, C_MAC | R_MAC, id="SCP03 R-MAC"),
    pytest.param(3, 0x70, C_MAC | C_ENC | R_MAC | R_ENC, id="SCP03 R-ENC"),
    pytest.param(3, 0x71, C_MAC | C_ENC | R_MAC | R_ENC, id="SCP03 S16 R-ENC"),
]
each_channel = pytest.mark.parametrize(("scp", "i", "level"), CHANNELS)
UNPROTECTED = [
    pytest.param(1, 0x05, C_MAC, id="SCP01"),
    pytest.param(2, 0x15, C_MAC, id="SCP02"),
    pytest.param(3, 0x70, C_MAC, id="SCP03"),
]


def opened(store: KeyStore, scp: int, i: int, level: SecurityLevel, *, commands: int = 1) -> Open:
    """Return a channel in which so many commands were wrapped."""
    protocol, keys = PROTOCOLS[scp], KEYS[scp](store)
    chaining = bytes(16) if scp == 3 else bytes(8)
    responses = bytes(8) if scp == 2 else b""
    state = ChannelState(i, level, 0, 0, chaining, response_chaining=responses)
    for _ in range(commands):
        state, _ = protocol.wrap(keys, state, COMMAND)
    return protocol, keys, state, Card(scp, level, protocol.challenge_length(i))


@each_channel
def test_responses_come_back_in_order_as_the_card_meant_them(
    key_store: KeyStore, scp: int, i: int, level: SecurityLevel
) -> None:
    protocol, keys, state, card = opened(key_store, scp, i, level, commands=3)

    for number, data in enumerate([b"first", b"", bytes(32)], start=1):
        response = card.answers(state, data, OK)
        state, plain = protocol.unwrap(keys, state, response)
        assert plain == Response(data, OK, protected=True)
        assert (state.commands, state.responses) == (3, number)
        assert len(state.outstanding) == 3 - number


@pytest.mark.parametrize("i", [0x70, 0x71])
@settings(deadline=None)
@given(data=DATA, status=GOOD_STATUS, commands=st.integers(1, 4))
def test_any_response_of_scp03_comes_off(i: int, data: bytes, status: bytes, commands: int) -> None:
    level = C_MAC | C_ENC | R_MAC | R_ENC
    protocol, keys, state, card = opened(PlainKeys(), 3, i, level, commands=commands)

    _, plain = protocol.unwrap(keys, state, card.answers(state, data, status))

    assert plain == Response(data, status, protected=True)


@settings(deadline=None)
@given(data=DATA, status=st.binary(min_size=2, max_size=2))
def test_any_response_of_scp02_comes_off_whatever_its_status(data: bytes, status: bytes) -> None:
    protocol, keys, state, card = opened(PlainKeys(), 2, 0x35, C_MAC | R_MAC)

    moved, plain = protocol.unwrap(keys, state, card.answers(state, data, status))

    assert plain == Response(data, status, protected=True)
    assert moved.closed is (status in (b"\x69\x82", b"\x69\x88"))


@each_channel
def test_every_flipped_bit_of_a_response_ends_the_channel(
    scp: int, i: int, level: SecurityLevel
) -> None:
    protocol, keys, state, card = opened(PlainKeys(), scp, i, level)
    response = card.answers(state, b"data", OK)

    for bit in range(len(response) * 8):
        forged = bytearray(response)
        forged[bit // 8] ^= 1 << bit % 8
        assert _refusal(protocol, keys, state, bytes(forged)) is Code.SESSION_CLOSED


@each_channel
def test_a_response_to_another_command_or_of_another_turn_ends_the_channel(
    key_store: KeyStore, scp: int, i: int, level: SecurityLevel
) -> None:
    protocol, keys, state, card = opened(key_store, scp, i, level, commands=2)
    other = replace(state, outstanding=(bytes(len(state.outstanding[0])), *state.outstanding[1:]))
    first = card.answers(state, b"data", OK)

    assert _refusal(protocol, keys, other, first) is Code.SESSION_CLOSED
    state, _ = protocol.unwrap(keys, state, first)
    assert _refusal(protocol, keys, state, first) is Code.SESSION_CLOSED


@each_channel
@pytest.mark.parametrize("status", [OK, b"\x62\x83", b"\x63\x10"])
def test_a_good_status_word_alone_ends_the_channel(
    key_store: KeyStore, scp: int, i: int, level: SecurityLevel, status: bytes
) -> None:
    protocol, keys, state, _ = opened(key_store, scp, i, level)

    assert _refusal(protocol, keys, state, status) is Code.SESSION_CLOSED


def test_an_error_status_word_comes_alone_in_scp03_and_is_told_from_protected_ones(
    key_store: KeyStore,
) -> None:
    protocol, keys, state, _ = opened(key_store, 3, 0x70, C_MAC | R_MAC)

    moved, plain = protocol.unwrap(keys, state, b"\x6a\x88")

    assert plain == Response(b"", b"\x6a\x88", protected=False)
    assert (moved.responses, moved.outstanding, moved.closed) == (1, (), False)


def test_an_error_status_word_of_scp03_with_data_ends_the_channel(key_store: KeyStore) -> None:
    protocol, keys, state, card = opened(key_store, 3, 0x70, C_MAC | R_MAC)

    for response in (b"data\x6a\x88", card.answers(state, b"", b"\x6a\x88")):
        assert _refusal(protocol, keys, state, response) is Code.SESSION_CLOSED


def test_an_error_status_word_of_scp02_needs_its_r_mac(key_store: KeyStore) -> None:
    protocol, keys, state, card = opened(key_store, 2, 0x35, C_MAC | R_MAC)

    assert _refusal(protocol, keys, state, b"\x6a\x88") is Code.SESSION_CLOSED
    _, plain = protocol.unwrap(keys, state, card.answers(state, b"", b"\x6a\x88"))
    assert plain.protected


def test_r_macs_go_on_after_an_error_that_had_none(key_store: KeyStore) -> None:
    level = C_MAC | C_ENC | R_MAC | R_ENC
    protocol, keys, state, card = opened(key_store, 3, 0x70, level, commands=2)

    state, _ = protocol.unwrap(keys, state, b"\x69\x85")
    card.counter += 1  # Amendment D, 6.2.6: the counter is the command's
    state, plain = protocol.unwrap(keys, state, card.answers(state, b"data", OK))

    assert plain == Response(b"data", OK, protected=True)


@pytest.mark.parametrize(("scp", "i", "level"), UNPROTECTED)
def test_without_r_mac_a_response_passes_as_unprotected(
    key_store: KeyStore, scp: int, i: int, level: SecurityLevel
) -> None:
    protocol, keys, state, _ = opened(key_store, scp, i, level)

    moved, plain = protocol.unwrap(keys, state, b"data" + OK)

    assert plain == Response(b"data", OK, protected=False)
    assert bytes(plain) == b"data" + OK
    assert moved == replace(state, responses=1)


@pytest.mark.parametrize(("scp", "i", "level"), UNPROTECTED)
@pytest.mark.parametrize("status", [b"\x69\x82", b"\x69\x88"])
def test_6982_and_6988_are_told_and_close_the_channel(
    key_store: KeyStore, scp: int, i: int, level: SecurityLevel, status: bytes
) -> None:
    protocol, keys, state, _ = opened(key_store, scp, i, level, commands=2)

    state, plain = protocol.unwrap(keys, state, status)

    assert (plain.status, state.closed) == (status, True)
    assert _refusal(protocol, keys, state, OK) is Code.SESSION_CLOSED
    with pytest.raises(ServiceError, match="6982 or 6988") as refusal:
        protocol.wrap(keys, state, COMMAND)
    assert refusal.value.code is Code.SESSION_CLOSED


@pytest.mark.parametrize(("scp", "i", "level"), [*CHANNELS, *UNPROTECTED])
def test_no_more_responses_are_taken_than_commands_were_sent(
    key_store: KeyStore, scp: int, i: int, level: SecurityLevel
) -> None:
    protocol, keys, state, _ = opened(key_store, scp, i, level, commands=0)

    assert _refusal(protocol, keys, state, OK) is Code.RESPONSE_INVALID


@pytest.mark.parametrize(("scp", "i", "level"), [*CHANNELS, *UNPROTECTED])
def test_a_response_is_two_bytes_at_least(
    key_store: KeyStore, scp: int, i: int, level: SecurityLevel
) -> None:
    protocol, keys, state, _ = opened(key_store, scp, i, level)

    for response in (b"", b"\x90"):
        assert _refusal(protocol, keys, state, response) is Code.RESPONSE_INVALID


@pytest.mark.parametrize(("scp", "i", "level"), [*CHANNELS, *UNPROTECTED])
@settings(deadline=None)
@given(response=st.binary(max_size=300))
def test_arbitrary_bytes_are_taken_or_refused(
    scp: int, i: int, level: SecurityLevel, response: bytes
) -> None:
    protocol, keys, state, _ = opened(PlainKeys(), scp, i, level)
    try:
        _, plain = protocol.unwrap(keys, state, response)
    except ServiceError as refusal:
        require(refusal, Code.RESPONSE_INVALID, Code.SESSION_CLOSED)
    else:
        assert bytes(plain) == response
        assert not plain.protected


@pytest.mark.parametrize(
    "made_up",
    [bytes(15), bytes(16), b"\x01" * 16, b"\x80" + bytes(16), bytes(31)],
    ids=["no whole block", "zeros", "no 80", "17 bytes", "31 bytes"],
)
def test_encrypted_data_without_padding_end_the_channel_even_under_a_right_r_mac(
    key_store: KeyStore, made_up: bytes
) -> None:
    level = C_MAC | C_ENC | R_MAC | R_ENC
    protocol, keys, state, card = opened(key_store, 3, 0x70, level)
    enc = PlainKey(Algorithm.AES_128, session_keys.ENC)
    icv = enc.encrypt_ecb(b"\x80" + (1).to_bytes(15, "big"))
    data = enc.encrypt_cbc(made_up, icv) if len(made_up) % 16 == 0 else made_up
    in_plain = replace(card, level=C_MAC | R_MAC)

    assert _refusal(protocol, keys, state, in_plain.answers(state, data, OK)) is Code.SESSION_CLOSED


def test_keys_that_the_level_needs_and_nobody_derived_are_a_mistake(key_store: KeyStore) -> None:
    for scp, i in ((2, 0x35), (3, 0x70)):
        protocol, _, state, card = opened(key_store, scp, i, C_MAC | R_MAC)
        without = (session_keys.of_scp02 if scp == 2 else session_keys.of_scp03)(
            key_store, rmac=False
        )
        response = card.answers(state, b"", OK)
        with pytest.raises(ValueError, match="R-MAC"):
            protocol.unwrap(without, state, response)
    protocol, _, state, card = opened(key_store, 3, 0x70, C_MAC | R_MAC)
    encrypted = replace(state, level=C_MAC | C_ENC | R_MAC | R_ENC)
    with pytest.raises(ValueError, match="S-ENC"):
        protocol.unwrap(
            session_keys.of_scp03(key_store, enc=False),
            encrypted,
            card.answers(state, bytes(16), OK),
        )


@each("scp03_responses.json")
def test_a_published_response_comes_off(key_store: KeyStore, vector: Vector) -> None:
    keys = scp03.SessionKeys(
        key_store.key(Algorithm.AES_128, bytes(16), Use.SESSION_MAC),
        key_store.key(Algorithm.AES_128, vector.bytes("s_enc"), Use.SESSION_ENC),
        key_store.key(Algorithm.AES_128, vector.bytes("s_rmac"), Use.SESSION_MAC),
    )
    chain, counter = vector.bytes("chain"), vector["counter"]
    level = SecurityLevel(int(vector["security_level"], 16))
    state = ChannelState(0x70, level, counter, counter - 1, chain, outstanding=(chain,))

    _, plain = scp03.unwrap(keys, state, vector.bytes("response"))

    assert bytes(plain).hex() == vector["plain"]
    assert plain.protected


def test_scp02_covers_256_bytes_of_data_with_a_length_of_00(key_store: KeyStore) -> None:
    keys = session_keys.of_scp02(key_store)
    assert keys.rmac is not None
    _, _, state, _ = opened(key_store, 2, 0x35, C_MAC | R_MAC)
    data = bytes(256)
    mac = retail_mac(keys.rmac, state.outstanding[0] + b"\x00" + data + OK, bytes(8))

    _, plain = scp02.unwrap(keys, state, data + mac + OK)

    assert plain.data == data


def _refusal(
    protocol: SecureChannelProtocol[Any],
    keys: Any,  # noqa: ANN401  the protocol's own type
    state: ChannelState,
    response: bytes,
) -> Code:
    with pytest.raises(ServiceError) as refusal:
        protocol.unwrap(keys, state, response)
    return refusal.value.code
