"""What every message between front and worker is: a request, or an answer, bounded."""

from enum import StrEnum
from typing import Annotated, ClassVar, Generic, Protocol, TypeVar

from msgspec import Meta, Struct

# Bytes of a whole message. 64 short APDUs, a session and what surrounds them come to less than
# 32 KiB.
MAX_FRAME = 64 * 1024
HEADING = 4 * 1024

LONGEST_TEXT = 4096
MAX_TICKET = 256

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
Byte = Annotated[int, Meta(ge=0, le=255)]
CardData = Annotated[bytes, Meta(min_length=1, max_length=10)]
Seconds = Annotated[int, Meta(ge=0, lt=2**40)]
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Ticket = Annotated[bytes, Meta(min_length=1, max_length=MAX_TICKET)]

A = TypeVar("A", bound="Answer")


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker says.

    `LARGEST` is how many bytes it may come to, with all that surrounds it.
    """

    LARGEST: ClassVar[int] = MAX_FRAME


class NamedCard(Struct, frozen=True, forbid_unknown_fields=True):
    """The card that a genuine session or ticket is of, for the record."""

    key_set: Name
    key_version: Byte
    diversification_data: CardData


class Lane(StrEnum):
    """How long a request keeps a worker busy: slow ones have workers of their own."""

    FAST = "fast"
    SLOW = "slow"


class Request(Struct, Generic[A], frozen=True, forbid_unknown_fields=True):
    """What a worker is asked.

    `ANSWER` is the type of what it says if it does not refuse. `REPEATABLE` says that another
    worker may be asked the same when the first died over it: nothing outside has changed.
    `LARGEST` is how many bytes it may come to, with all that surrounds it.
    """

    ANSWER: ClassVar[type[Answer]]
    LARGEST: ClassVar[int] = MAX_FRAME
    LANE: ClassVar[Lane] = Lane.FAST
    REPEATABLE: ClassVar[bool] = True

    @property
    def extra_seconds(self) -> float:
        """How much longer it may take than its lane has it, as there is so much of it."""
        return 0.0


class Framed(Protocol):
    """What a socket carries as one frame: a question, or a reply.

    `LARGEST` is how many bytes one of its direction may come to.
    """

    LARGEST: ClassVar[int]

    @property
    def largest(self) -> int:
        """How many bytes one of its kind may come to."""
