"""What the secure channel protocols have in common: levels, state, padding."""

from dataclasses import dataclass
from enum import IntFlag
from hmac import compare_digest

from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.apdu import MAX_DATA, CommandApdu

MAC_LENGTH = 8

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
        level: what protects the commands.
        commands: commands wrapped since EXTERNAL AUTHENTICATE.
        mac_chaining: what the next C-MAC starts from: 8 bytes in SCP02, 16 in SCP03.
    """

    level: SecurityLevel
    commands: int
    mac_chaining: bytes


def require_card_cryptogram(expected: bytes, received: bytes) -> None:
    """Compare two 8-byte cryptograms in constant time.

    Raises:
        ServiceError: `card-cryptogram-mismatch`.
    """
    if not compare_digest(expected, received):
        raise ServiceError(
            Code.CARD_CRYPTOGRAM_MISMATCH,
            "the card does not hold the keys of this key set and version, or it answered"
            " to another challenge",
        )


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
