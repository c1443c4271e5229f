"""The security boundary: every request that a worker answers, and every answer, bounded.

A message names a caller, a key set and a card; it never names a scheme, a protocol, a
PKCS#11 attribute or an exception, which the worker reads from its own policy. Decoding
checks every type and length again, whoever sent it, and refuses unknown fields. The set is
closed: tmsd/worker answers exactly these, and a test checks that none is missing or extra.
"""

from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from tmsd.errors import Code

# Lengths in bytes, of the specifications or of this API.
MAX_APDU = 261
MAX_APDUS = 64
MAX_RANDOM = 1024
MAX_SESSION = 512
MAX_TICKET = 256

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
Byte = Annotated[int, Meta(ge=0, le=255)]
InitializeUpdateResponse = Annotated[bytes, Meta(min_length=12, max_length=50)]
HostChallenge = Annotated[bytes, Meta(min_length=8, max_length=16)]
Ticket = Annotated[bytes, Meta(min_length=1, max_length=MAX_TICKET)]
Session = Annotated[bytes, Meta(min_length=1, max_length=MAX_SESSION)]
Apdu = Annotated[bytes, Meta(min_length=1, max_length=MAX_APDU)]
Apdus = Annotated[list[Apdu], Meta(min_length=1, max_length=MAX_APDUS)]
CheckValue = Annotated[bytes, Meta(min_length=3, max_length=3)]
Cryptogram = Annotated[bytes, Meta(min_length=8, max_length=8)]
Text = Annotated[str, Meta(max_length=1024)]

A = TypeVar("A", bound="Answer")


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker says."""


class Request(Struct, Generic[A], frozen=True, forbid_unknown_fields=True):
    """What a worker is asked; `ANSWER` is the type of what it says if it does not refuse."""

    ANSWER: ClassVar[type[Answer]]


class ChallengeIssued(Answer, frozen=True, tag="challenge-issued"):
    """A random host challenge, and the ticket that proves where it came from."""

    host_challenge: HostChallenge
    ticket: Ticket


class IssueChallenge(Request[ChallengeIssued], frozen=True, tag="issue-challenge"):
    """Make a host challenge for a caller."""

    ANSWER = ChallengeIssued
    caller: Name
    length: Literal[8, 16]


class Card(Struct, frozen=True, forbid_unknown_fields=True):
    """A card's answer to INITIALIZE UPDATE, and the challenge that it answers to.

    Either `ticket` or `host_challenge` is given.
    """

    initialize_update: InitializeUpdateResponse
    ticket: Ticket | None = None
    host_challenge: HostChallenge | None = None
    scp_i: Byte | None = None
    cuid: Annotated[bytes, Meta(min_length=10, max_length=10)] | None = None


class ChannelOpened(Answer, frozen=True, tag="channel-opened"):
    """A channel whose card proved its keys; `session` holds its state and no key."""

    scp: Byte
    i: Byte
    key_set: Name
    key_version: Byte
    host_cryptogram: Cryptogram
    external_authenticate: Apdu
    session: Session


class OpenChannel(Request[ChannelOpened], frozen=True, tag="open-channel"):
    """Verify a card's cryptogram and make the host's."""

    ANSWER = ChannelOpened
    caller: Name
    key_set: Name
    card: Card
    security_level: Byte


class CryptogramVerified(Answer, frozen=True, tag="cryptogram-verified"):
    """Whether the card holds the keys."""

    valid: bool


class VerifyCryptogram(Request[CryptogramVerified], frozen=True, tag="verify-cryptogram"):
    """Verify a card's cryptogram and open nothing."""

    ANSWER = CryptogramVerified
    caller: Name
    key_set: Name
    card: Card


class CommandsWrapped(Answer, frozen=True, tag="commands-wrapped"):
    """Protected commands in the order asked, the session after them, and whose it is."""

    session: Session
    apdus: Apdus
    key_set: Name
    key_version: Byte
    diversification_data: bytes


class WrapCommands(Request[CommandsWrapped], frozen=True, tag="wrap-commands"):
    """Put secure messaging on commands, in order: all of them or none."""

    ANSWER = CommandsWrapped
    caller: Name
    session: Session
    apdus: Apdus


class RandomMade(Answer, frozen=True, tag="random-made"):
    """Bytes of the token's random number generator."""

    random: Annotated[bytes, Meta(min_length=1, max_length=MAX_RANDOM)]


class MakeRandom(Request[RandomMade], frozen=True, tag="make-random"):
    """Ask the token for random bytes."""

    ANSWER = RandomMade
    caller: Name
    length: Annotated[int, Meta(ge=1, le=MAX_RANDOM)]


class KeyVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a key set: its state, and its check value if the key is in the token."""

    version: Byte
    state: Literal["active", "retired"]
    key_check_value: CheckValue | None


class KeySetDescribed(Answer, frozen=True, tag="key-set-described"):
    """The versions of a key set."""

    versions: Annotated[list[KeyVersion], Meta(max_length=255)]


class DescribeKeySet(Request[KeySetDescribed], frozen=True, tag="describe-key-set"):
    """Ask for the versions of a key set and their check values."""

    ANSWER = KeySetDescribed
    caller: Name
    key_set: Name


class Refused(Answer, frozen=True, tag="refused"):
    """A refusal; the front tells the caller and records it."""

    code: Code
    detail: Text
    pointer: Text | None = None


class Started(Answer, frozen=True, tag="started"):
    """The first thing that a worker says, unasked: it is logged in and ready."""

    token: Text
    policy_digest: Annotated[str, Meta(min_length=64, max_length=64)]


class StartFailed(Answer, frozen=True, tag="start-failed"):
    """The first and last thing that a worker says which cannot start.

    `final` is true where trying again would do harm: the PIN was refused.
    """

    reason: Text
    final: bool


AnyRequest = (
    IssueChallenge | OpenChannel | VerifyCryptogram | WrapCommands | MakeRandom | DescribeKeySet
)
AnyAnswer = (
    ChallengeIssued
    | ChannelOpened
    | CryptogramVerified
    | CommandsWrapped
    | RandomMade
    | KeySetDescribed
    | Refused
    | Started
    | StartFailed
)


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A request on its way: its number, and when its asker stops waiting.

    `deadline` is in seconds of the machine's monotonic clock, which both processes share.
    """

    number: Annotated[int, Meta(ge=1, lt=2**53)]
    deadline: float
    request: AnyRequest


class Reply(Struct, frozen=True, forbid_unknown_fields=True):
    """An answer on its way back; number 0 is the worker's own announcement."""

    number: Annotated[int, Meta(ge=0, lt=2**53)]
    answer: AnyAnswer
