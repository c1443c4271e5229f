"""What goes to the Token Key Service and comes back from it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IssuedChallenge:
    """A host challenge made by the HSM (8 or 16 bytes), and its ticket."""

    host_challenge: bytes
    challenge: str


@dataclass(frozen=True, slots=True)
class PresentedCard:
    """A card's answer to INITIALIZE UPDATE, and the challenge that it answers to.

    Attributes:
        initialize_update: as it came, with or without the trailing 9000.
        challenge: the challenge that was sent to the card: one that the service issued, or
            8 bytes of one's own where the key set allows it.
        key_set: needed where more than one of the caller's key sets fits.
        cuid: 10 bytes, for key sets that diversify by it.
        scp_i: the implementation option, for cards that do not tell it.
    """

    initialize_update: bytes
    challenge: IssuedChallenge | bytes
    key_set: str | None = None
    cuid: bytes | None = None
    scp_i: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """An open secure channel.

    Attributes:
        scp: the protocol's number.
        i: its implementation option.
        key_set: whose keys the card holds.
        key_version: which version of them.
        host_cryptogram: 8 bytes.
        external_authenticate: the command to send to the card next.
        state: opaque; it contains no key and goes with every further request.
    """

    scp: int
    i: int
    key_set: str
    key_version: int
    host_cryptogram: bytes
    external_authenticate: bytes
    state: str


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """A version of a master key; the check value is None while the HSM lacks the key."""

    version: int
    active: bool
    key_check_value: bytes | None


@dataclass(frozen=True, slots=True)
class KeySet:
    """A key set that this caller may use."""

    name: str
    scp: int
    algorithm: str
    diversification: str
    versions: tuple[KeyVersion, ...]
