"""What the card asks of a secure channel protocol: the seam between card.py and scpNN.py.

INITIALIZE UPDATE makes a `Handshake`, EXTERNAL AUTHENTICATE makes a `Channel` of it. A new
protocol is a module of the shape that protocols.py describes, and a line in its table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.pcsc.apdu import Command, Refusal, StatusWord
from tests.virtual_token.dek import DataEncryptionKey
from tests.virtual_token.keys import KeySet
from tests.virtual_token.memory import SequenceCounter

# The bits of a security level: P1 of EXTERNAL AUTHENTICATE, AmdD table 7-3.
NO_SECURE_MESSAGING = 0x00
C_MAC = 0x01
C_DECRYPTION = 0x02
R_MAC = 0x10
R_ENCRYPTION = 0x20

MAC_LENGTH = 8  # of SCP01 and SCP02, and of the cryptograms before it


class Channel(Protocol):
    """An open secure channel session."""

    @property
    def level(self) -> int:
        """The current security level."""

    @property
    def dek(self) -> DataEncryptionKey:
        """What sensitive data come encrypted under, besides the channel's own protection."""

    def unwrap(self, command: Command) -> Command:
        """Check and remove the command's protection; its class loses the messaging bit.

        Raises:
            Refusal: 6988 where the protection is wrong; the session must then be aborted.
        """

    def wrap(self, data: bytes, status_word: int) -> bytes:
        """Return the protected response to the command unwrapped last."""


class Handshake(Protocol):
    """A session between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE."""

    @property
    def answer(self) -> bytes:
        """The data field of the answer to INITIALIZE UPDATE."""

    def external_authenticate(self, command: Command) -> Channel:
        """Authenticate the host; whatever the outcome, a handshake serves once.

        Raises:
            Refusal: 6A86, 6700, 6300 or 6988, in this order of checking.
        """


@dataclass(frozen=True, slots=True)
class Initiation:
    """All that a protocol needs to answer INITIALIZE UPDATE."""

    host_challenge: bytes  # 8 bytes, or 16
    keys: KeySet
    i: int  # the protocol's implementation options
    kdd: bytes  # 10 bytes
    aid: bytes  # of the security domain
    counter: SequenceCounter
    random: Callable[[int], bytes]  # the chip's random number generator: length to bytes
    minimum_level: int
    encrypted_empty_accepted: bool


def is_error(status_word: int) -> bool:
    """Tell an error from success and from the warnings 62xx and 63xx: CS231 11.1.3."""
    return status_word != StatusWord.OK and status_word >> 8 not in (0x62, 0x63)


def on_basic_channel(cla: int) -> int:
    """Return a class without its logical channel number, 0 to 3: no MAC covers it."""
    return cla & ~0x03


def read_external_authenticate(
    command: Command, levels: frozenset[int], minimum_level: int, length: int = MAC_LENGTH
) -> tuple[bytes, bytes]:
    """Check the form of EXTERNAL AUTHENTICATE: CS231 E.5.2, AmdD 7.1.2.

    A level is refused where the protocol's options do not offer it, or where it lacks
    protection that the card insists on.

    Returns:
        The host cryptogram and the C-MAC, `length` bytes each.

    Raises:
        Refusal: 6A86 for the level or P2, 6700 for the length or an Le.
    """
    if command.p1 not in levels or command.p1 & minimum_level != minimum_level or command.p2:
        raise Refusal(StatusWord.INCORRECT_P1_P2)
    if len(command.data) != 2 * length or command.expected is not None:
        raise Refusal(StatusWord.WRONG_LENGTH)
    return command.data[:length], command.data[length:]
