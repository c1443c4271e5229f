"""What the secure channel protocols have in common: levels, state, padding."""

from dataclasses import dataclass, replace
from enum import IntFlag
from hmac import compare_digest

from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.apdu import MAX_DATA, CommandApdu, require_unprotected

MAC_LENGTH = 8

# Security status not satisfied, and secure messaging data objects incorrect.
CHANNEL_ENDED = (b"\x69\x82", b"\x69\x88")

_SECURE_MESSAGING = 0x04


class SecurityLevel(IntFlag):
    """P1 of EXTERNAL AUTHENTICATE (Card Specification 2.3.1, table E-11; Amendment D, 7.1.2.1)."""

    NONE = 0x00
    C_MAC = 0x01
    C_ENC = 0x02
    R_MAC = 0x10
    R_ENC = 0x20


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Where a channel stands between two commands.

    Attributes:
        i: the protocol's implementation option.
        level: what protects commands and responses.
        commands: commands wrapped since EXTERNAL AUTHENTICATE.
        responses: responses unwrapped since then.
        mac_chaining: what the next C-MAC starts from: 8 bytes, in SCP03 16.
        response_chaining: what the next R-MAC of SCP02 starts from, 8 bytes; else empty.
        outstanding: with R-MAC, what the R-MAC of each response still to come depends on,
            in order: in SCP02 the command, in SCP03 the 16 bytes of its C-MAC.
        closed: the card has given the channel up.
    """

    i: int
    level: SecurityLevel
    commands: int
    responses: int
    mac_chaining: bytes
    response_chaining: bytes = b""
    outstanding: tuple[bytes, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """A card's response without protection.

    Attributes:
        data: up to 256 bytes.
        status: SW1 and SW2, 2 bytes.
        protected: whether an R-MAC vouches for it.
    """

    data: bytes
    status: bytes
    protected: bool

    def __bytes__(self) -> bytes:
        return self.data + self.status


def require_card_cryptogram(expected: bytes, received: bytes) -> None:
    """Compare two cryptograms of 8 or 16 bytes in constant time.

    Raises:
        ServiceError: `card-cryptogram-mismatch`.
    """
    if not compare_digest(expected, received):
        raise ServiceError(
            Code.CARD_CRYPTOGRAM_MISMATCH,
            "the card does not hold the keys of this key set and version, or it answered"
            " to another challenge",
        )


def begin_command(state: ChannelState, command: CommandApdu) -> ChannelState:
    """Count a command, before anything is done to it.

    Raises:
        ServiceError: `session-closed`; `apdu-invalid`, for one that is protected already.
    """
    require_open(state)
    require_unprotected(command)
    return replace(state, commands=state.commands + 1)


def begin_response(state: ChannelState, response: bytes) -> Response:
    """Split a response into data and status word, before anything is verified.

    Raises:
        ServiceError: `session-closed`; `response-invalid`: it is too short, or no command
            waits for it.
    """
    require_open(state)
    if len(response) < 2:
        raise ServiceError(Code.RESPONSE_INVALID, "a response ends with a status word of 2 bytes")
    if state.responses >= state.commands:
        raise ServiceError(Code.RESPONSE_INVALID, "every wrapped command has its response already")
    return Response(response[:-2], response[-2:], protected=False)


def after_response(state: ChannelState, status: bytes) -> ChannelState:
    """Count a response; 6982 and 6988 say that the card has given the channel up."""
    return replace(
        state,
        responses=state.responses + 1,
        outstanding=state.outstanding[1:],
        closed=state.closed or status in CHANNEL_ENDED,
    )


def bad_response(reason: str) -> ServiceError:
    """Return the refusal after which a channel must not be used any more."""
    return ServiceError(Code.SESSION_CLOSED, f"{reason}; the channel is over, open it again")


def require_open(state: ChannelState) -> None:
    """Refuse a channel that the card has given up.

    Raises:
        ServiceError: `session-closed`.
    """
    if state.closed:
        raise bad_response("the card answered 6982 or 6988")


def pad(data: bytes, block: int) -> bytes:
    """Append 80 and as many 00 as fill the last block (ISO/IEC 9797-1, padding method 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def require_short(command: CommandApdu, length: int) -> None:
    """Refuse data that grow past a short APDU: `length` is Lc under secure messaging.

    Raises:
        ServiceError: `apdu-too-long`, when `length` is above 255.
    """
    if length > MAX_DATA:
        raise ServiceError(
            Code.APDU_TOO_LONG,
            f"{len(command.data)} bytes of data become {length} under secure messaging;"
            f" a short APDU carries {MAX_DATA}",
        )


def unpad(data: bytes) -> bytes:
    """Remove ISO/IEC 9797-1 padding method 2.

    Raises:
        ServiceError: `session-closed`: there is none, so the wrong key was used.
    """
    stripped = data.rstrip(b"\x00")
    if not stripped.endswith(b"\x80"):
        raise bad_response("the decrypted response has no padding")
    return stripped[:-1]


def secured_header(command: CommandApdu, length: int) -> bytes:
    """Return the five bytes that a C-MAC covers first, on logical channel 0.

    Args:
        command: the command before protection.
        length: Lc after the C-MAC was added.

    Raises:
        ServiceError: `apdu-too-long`.
    """
    require_short(command, length)
    cla = (command.cla | _SECURE_MESSAGING) & ~0x03
    return bytes([cla, command.ins, command.p1, command.p2, length])


def secured_command(command: CommandApdu, data: bytes) -> CommandApdu:
    """Return `command` with protected `data`, its logical channel back in the class byte."""
    cla = command.cla | _SECURE_MESSAGING
    return CommandApdu(cla, command.ins, command.p1, command.p2, data, command.le)
