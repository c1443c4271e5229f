"""Secure messaging of each protocol, i and level, between the host and the card's own side of it.

The first byte of an input picks one of the open channels.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.fuzz import refusals, traces
from tests.pcsc.apdu import Command
from tests.virtual_token.card import Card
from tests.virtual_token.channel import Channel as CardChannel
from tests.virtual_token.personalisation import CardProfile
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import apdu, initialize_update
from tmsd.globalplatform.channel import ChannelState, Response, SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.globalplatform.protocols import PROTOCOLS, SecureChannelProtocol
from tmsd.globalplatform.triple_des_mac import retail_mac

KINDS = tuple(
    (scp, i, level)
    for scp, protocol in PROTOCOLS.items()
    for i in protocol.IMPLEMENTATIONS
    for level in sorted(protocol.levels(i))
)

_ENC, _MAC, _DEK = (bytes(range(first, first + 16)) for first in (0x10, 0x20, 0x30))
_LONGEST_COMMAND = 261
_LONGEST_RESPONSE_DATA = 224
_GET_STATUS = bytes.fromhex("80f28002024f0000")
_FORGED, _GENUINE, _AUTHENTIC = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Opened:
    """Both ends of a channel that was just opened."""

    protocol: SecureChannelProtocol[Any]
    keys: Any
    state: ChannelState
    card: CardChannel

    @property
    def has_r_mac(self) -> bool:
        """Whether responses are protected."""
        return bool(self.state.level & SecurityLevel.R_MAC)


@cache
def _opened(scp: int, i: int, level: SecurityLevel) -> Opened:
    protocol = PROTOCOLS[scp]
    card = Card(
        CardProfile(scp=scp, i=i, key_version=1, enc=_ENC, mac=_MAC, dek=_DEK, kdd=bytes(10)),
        random=bytes,
    )
    challenge = bytes(protocol.challenge_length(i))
    command = Command(0x80, 0x50, 0x00, 0x00, challenge, 256)
    answer = initialize_update.parse(card.transmit(command.encode()))
    algorithm = Algorithm.AES_128 if scp == 0x03 else Algorithm.DES2
    static = {Role.ENC: PlainKey(algorithm, _ENC), Role.MAC: PlainKey(algorithm, _MAC)}
    context = protocol.session_context(challenge, answer)
    keys = protocol.session_keys(static, context, i, level)
    cryptogram = protocol.host_cryptogram(keys, context)
    state, authentication = protocol.external_authenticate(keys, cryptogram, i, level)
    assert card.transmit(bytes(authentication)) == b"\x90\x00"
    assert card._channel is not None  # the card has no public word for its end
    return Opened(protocol, keys, state, card._channel)


def _chosen(number: int) -> Opened:
    """Return a channel whose card's end may be used."""
    opened = _opened(*KINDS[number % len(KINDS)])
    return Opened(opened.protocol, opened.keys, opened.state, deepcopy(opened.card))


def batches() -> Iterator[bytes]:
    """Yield batches of published commands, for each kind of channel."""
    plain = [command for command in traces.values("plain") if len(command) <= 255]
    for number in range(len(KINDS)):
        batch = [plain[(number + n) % len(plain)] for n in range(3)]
        yield bytes([number]) + b"".join(bytes([len(each)]) + each for each in batch)


def wrap(data: bytes) -> None:
    """What the host protects is what the card reads; what it refuses changes nothing."""
    if not data:
        return
    channel = _chosen(data[0])
    state = channel.state
    for command in _pieces(data[1:]):
        try:
            state, wrapped = channel.protocol.wrap(channel.keys, state, apdu.parse(command))
        except ServiceError as refusal:
            refusals.require(refusal, Code.APDU_INVALID, Code.APDU_TOO_LONG)
            continue
        assert len(bytes(wrapped)) <= _LONGEST_COMMAND
        assert channel.card.unwrap(Command.parse(bytes(wrapped))) == Command.parse(command)


def responses() -> Iterator[bytes]:
    """Yield responses of each nature, for each kind of channel."""
    payloads = [b"\x90\x00", b"\x6a\x88", b"\x63\x10" + bytes(20), b"\x90\x00" + bytes(32)]
    for number in range(len(KINDS)):
        for nature in (_FORGED, _GENUINE, _AUTHENTIC):
            yield bytes([number, nature]) + payloads[(number + nature) % len(payloads)]


def unwrap(data: bytes) -> None:
    """Genuine responses are read as they were meant, forged ones never vouched for.

    After the channel come the nature of the response (1 byte), its status word and its data.
    """
    if len(data) < 4:
        return
    channel, nature = _chosen(data[0]), data[1] % 3
    status, body = data[2:4], data[4 : 4 + _LONGEST_RESPONSE_DATA]
    state, wrapped = channel.protocol.wrap(channel.keys, channel.state, apdu.parse(_GET_STATUS))
    channel.card.unwrap(Command.parse(bytes(wrapped)))
    if nature == _GENUINE:
        _read_genuine(channel, state, status, body)
    elif nature == _AUTHENTIC and channel.has_r_mac:
        _read_forged(channel, state, body + _r_mac(channel, state, body, status) + status)
    else:
        read = _read_forged(channel, state, body + status)
        assert read is None or not read.protected


def _read_genuine(channel: Opened, state: ChannelState, status: bytes, body: bytes) -> None:
    is_error = status != b"\x90\x00" and status[0] not in (0x62, 0x63)
    data = b"" if is_error else body  # cards that fail send no data
    answer = channel.card.wrap(data, int.from_bytes(status, "big"))
    moved, read = channel.protocol.unwrap(channel.keys, state, answer)
    assert (read.data, read.status) == (data, status)
    assert moved.closed == (status in (b"\x69\x82", b"\x69\x88"))


def _read_forged(channel: Opened, state: ChannelState, answer: bytes) -> Response | None:
    try:
        _, read = channel.protocol.unwrap(channel.keys, state, answer)
    except ServiceError as refusal:
        refusals.require(refusal, Code.RESPONSE_INVALID, Code.SESSION_CLOSED)
        return None
    return read


def _r_mac(channel: Opened, state: ChannelState, body: bytes, status: bytes) -> bytes:
    """Return the R-MAC of a response that no card would send, under the channel's own key."""
    rmac = channel.keys.rmac
    if channel.protocol is PROTOCOLS[0x02]:
        covered = state.outstanding[0] + bytes([len(body) & 0xFF]) + body + status
        return retail_mac(rmac, covered, state.response_chaining)
    mac: bytes = rmac.cmac(state.outstanding[0] + body + status)
    return mac[: channel.protocol.challenge_length(state.i)]


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut data into pieces that begin with their lengths (1 byte); the last may be short."""
    while data:
        end = 1 + data[0]
        yield data[1:end]
        data = data[end:]
