"""What goes to the Token Key Service and comes back from it."""

from dataclasses import dataclass
from enum import StrEnum


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
            8 or 16 bytes of one's own where the key set allows it.
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
        newest_key_version: which version cards of the key set get now.
        host_cryptogram: 8 bytes, or 16.
        external_authenticate: the command to send to the card next.
        state: opaque; it contains no key and goes with every further request.
    """

    scp: int
    i: int
    key_set: str
    key_version: int
    newest_key_version: int
    host_cryptogram: bytes
    external_authenticate: bytes
    state: str

    @property
    def is_due_for_changeover(self) -> bool:
        """Whether the card holds another version than cards get now."""
        return self.key_version != self.newest_key_version


class WrappingMechanism(StrEnum):
    """How session keys are wrapped: AES key wrap (RFC 3394), or 3DES in ECB mode."""

    AES_KEY_WRAP = "aes-key-wrap"
    DES3_ECB = "des3-ecb"


@dataclass(frozen=True, slots=True)
class WrappedKeys:
    """Session keys under a transport key, of which the caller has the other copy.

    Attributes:
        transport_key: its name in the policy.
        mechanism: by which it wraps.
        enc: None where the channel does not encrypt, as the others where it has no use for them.
        mac: the C-MAC key.
        rmac: the R-MAC key.
        dek: the data encryption key; in SCP01 and SCP03 a static key of the card, and None
            unless the policy lets this caller have it.
    """

    transport_key: str
    mechanism: WrappingMechanism
    enc: bytes | None
    mac: bytes
    rmac: bytes | None
    dek: bytes | None


@dataclass(frozen=True, slots=True)
class DeliveredSession:
    """An open secure channel that the caller goes on with by itself.

    Attributes are those of `Session`, but for `keys` in place of its state.
    """

    scp: int
    i: int
    key_set: str
    key_version: int
    newest_key_version: int
    host_cryptogram: bytes
    external_authenticate: bytes
    keys: WrappedKeys


@dataclass(frozen=True, slots=True)
class UnwrappedResponse:
    """A card's response without protection.

    Attributes:
        data: up to 256 bytes.
        status: SW1 and SW2, 2 bytes.
        protected: whether an R-MAC vouches for it.
    """

    data: bytes
    status: bytes
    protected: bool


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """Responses in the order they came, and the session after them.

    Attributes:
        session: for the next call.
        responses: as many as were sent in.
        closed: the card has given the channel up.
    """

    session: Session
    responses: tuple[UnwrappedResponse, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A PUT KEY for the card, to be confirmed with what it answers.

    Attributes:
        session: for `confirm_put_key`.
        apdu: the command to send to the card next.
        key_check_values: of ENC, MAC and DEK, or of a card's one base key; 3 bytes each.
    """

    session: Session
    apdu: bytes
    key_check_values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConfirmedKeyChange:
    """New keys that the card has confirmed.

    Attributes:
        session: for the next call; its channel stands on the old keys.
        new_key_version: of the keys that the card holds now.
        protected: whether an R-MAC vouches for that.
    """

    session: Session
    new_key_version: int
    protected: bool


@dataclass(frozen=True, slots=True)
class PresenceChallenge:
    """What proves that a card holds its DEK: who can say the challenge can decrypt.

    Attributes:
        session: for the next call.
        challenge: 16 bytes, made by the HSM.
        encrypted: the same under the card's DEK.
    """

    session: Session
    challenge: bytes
    encrypted: bytes


@dataclass(frozen=True, slots=True)
class PossessionChallenge:
    """What proves that a card holds a key that it makes: it signs what it alone can decrypt.

    Attributes:
        session: for the next call.
        encrypted: 16 bytes under the card's DEK, for the card to make the key with.
        ticket: goes with the request for a certificate.
    """

    session: Session
    encrypted: bytes
    ticket: str


class VersionState(StrEnum):
    """Whether cards of a version are served: not yet, now, or no more."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """A version of a master key.

    The check value is None while the HSM lacks the key, and of a version that is retired.
    """

    version: int
    state: VersionState
    key_check_value: bytes | None


@dataclass(frozen=True, slots=True)
class KeySet:
    """A key set that this caller may use, and the version that cards of it get now, if any."""

    name: str
    scp: int
    algorithm: str
    diversification: str
    versions: tuple[KeyVersion, ...]
    newest_key_version: int | None
