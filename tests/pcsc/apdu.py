"""Command APDUs and status words: ISO/IEC 7816-4, short APDUs alone."""

from dataclasses import dataclass
from enum import IntEnum


class StatusWord(IntEnum):
    """The two bytes that end every response."""

    OK = 0x9000
    HOST_CRYPTOGRAM_WRONG = 0x6300
    WRONG_LENGTH = 0x6700
    LOGICAL_CHANNEL_NOT_SUPPORTED = 0x6881
    LAST_COMMAND_OF_CHAIN_EXPECTED = 0x6883
    CHAINING_NOT_SUPPORTED = 0x6884
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    CONDITIONS_OF_USE_NOT_SATISFIED = 0x6985
    SECURE_MESSAGING_INCORRECT = 0x6988
    INCORRECT_VALUES_IN_DATA = 0x6A80
    APPLICATION_NOT_FOUND = 0x6A82
    DATA_OBJECT_NOT_FOUND = 0x6A82
    NOT_ENOUGH_MEMORY = 0x6A84
    INCORRECT_P1_P2 = 0x6A86
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    INVALID_INSTRUCTION = 0x6D00
    INVALID_CLASS = 0x6E00


class Refusal(Exception):
    """The card ends the command with a status word that is not 9000.

    Args:
        status_word: 2 bytes as a number; a plain number for 6Cxx, whose low byte is a length.
    """

    def __init__(self, status_word: int) -> None:
        super().__init__(f"{status_word:04X}")
        self.status_word = status_word


@dataclass(frozen=True, slots=True)
class Command:
    """A short command APDU: cases 1 to 4 of ISO/IEC 7816-3, 12.1.

    `data` is 0..255 bytes; `expected` is Ne, 1..256, or None where the command has no Le.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    expected: int | None = None

    @classmethod
    def parse(cls, apdu: bytes) -> "Command":
        """Read the bytes of a command.

        Raises:
            Refusal: 6700 where Lc and the number of bytes disagree; an extended APDU does.
        """
        if len(apdu) < 4:
            raise Refusal(StatusWord.WRONG_LENGTH)
        cla, ins, p1, p2 = apdu[:4]
        body = apdu[4:]
        if not body:
            return cls(cla, ins, p1, p2)
        if len(body) == 1:
            return cls(cla, ins, p1, p2, expected=body[0] or 256)
        length, rest = body[0], body[1:]
        if length == 0 or len(rest) not in (length, length + 1):
            raise Refusal(StatusWord.WRONG_LENGTH)
        expected = (rest[length] or 256) if len(rest) > length else None
        return cls(cla, ins, p1, p2, rest[:length], expected)

    def encode(self) -> bytes:
        """Return the bytes of the command."""
        lc = bytes([len(self.data)]) if self.data else b""
        le = b"" if self.expected is None else bytes([self.expected % 256])
        return bytes([self.cla, self.ins, self.p1, self.p2]) + lc + self.data + le


def response(data: bytes, status_word: int) -> bytes:
    """Return a response APDU: data field, then the status word."""
    return data + status_word.to_bytes(2)
