"""The security boundary: every request that a worker answers, and every answer, bounded.

A message names a caller, a key set and a card; it never names a scheme, a protocol, a
PKCS#11 attribute or an exception, which the worker reads from its own policy. Decoding
checks every type and length again, whoever sent it, and refuses unknown fields. The set is
closed: tmsd/worker answers exactly these, and a test checks that none is missing or extra.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from tmsd.errors import Code
from tmsd.x509.linting import MAX_CERTIFICATE
from tmsd.x509.requests import MAX_CSR
from tmsd.x509.templates import MAX_VALUE, MAX_VALUES

# Lengths in bytes, of the specifications or of this API.
MAX_APDU = 261
MAX_APDUS = 64
MAX_RANDOM = 1024
MAX_SESSION = 8 * 1024
MAX_RESPONSE = 256 + 16 + 2
MAX_ENCRYPTED = 256
MAX_TICKET = 256
MAX_FIELDS = 32
MAX_PREPARED = 32 * 1024
MAX_CRL_ENTRIES = 1_500_000
# Certificate number, seconds of the revocation, reason, seconds of the invalidity (0: none).
ENTRY_LENGTH = 16 + 8 + 1 + 8
# An entry with a reason and an invalidity date has 77 bytes of DER.
MAX_CRL = 80 * MAX_CRL_ENTRIES
MAX_STATUSES = 32
MAX_OCSP_ANSWER = 16 * 1024

# Whole messages. 64 short APDUs, a session and what surrounds them come to less than 32 KiB.
MAX_FRAME = 64 * 1024
_HEADING = 4 * 1024

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
Byte = Annotated[int, Meta(ge=0, le=255)]
InitializeUpdateResponse = Annotated[bytes, Meta(min_length=12, max_length=50)]
HostChallenge = Annotated[bytes, Meta(min_length=8, max_length=16)]
Ticket = Annotated[bytes, Meta(min_length=1, max_length=MAX_TICKET)]
Session = Annotated[bytes, Meta(min_length=1, max_length=MAX_SESSION)]
Apdu = Annotated[bytes, Meta(min_length=1, max_length=MAX_APDU)]
Apdus = Annotated[list[Apdu], Meta(min_length=1, max_length=MAX_APDUS)]
CheckValue = Annotated[bytes, Meta(min_length=3, max_length=3)]
Cryptogram = Annotated[bytes, Meta(min_length=8, max_length=16)]
Response = Annotated[bytes, Meta(min_length=2, max_length=MAX_RESPONSE)]
WrappedKey = Annotated[bytes, Meta(min_length=16, max_length=40)]
WorkerId = Annotated[bytes, Meta(min_length=8, max_length=8)]
Generation = Annotated[int, Meta(ge=1, lt=2**53)]
CardData = Annotated[bytes, Meta(min_length=1, max_length=10)]
Prepared = Annotated[bytes, Meta(min_length=1, max_length=MAX_PREPARED)]
CertificateRequest = Annotated[bytes, Meta(min_length=1, max_length=MAX_CSR)]
Certificate = Annotated[bytes, Meta(min_length=1, max_length=MAX_CERTIFICATE)]
OcspAnswer = Annotated[bytes, Meta(min_length=1, max_length=MAX_OCSP_ANSWER)]
SerialNumber = Annotated[bytes, Meta(min_length=16, max_length=16)]
Sha256Hex = Annotated[str, Meta(min_length=64, max_length=64)]
Seconds = Annotated[int, Meta(ge=0, lt=2**40)]
FieldName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
FieldValue = Annotated[str, Meta(max_length=MAX_VALUE)]
Fields = Annotated[
    dict[FieldName, Annotated[list[FieldValue], Meta(min_length=1, max_length=MAX_VALUES)]],
    Meta(max_length=MAX_FIELDS),
]
LONGEST_TEXT = 4096
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]

A = TypeVar("A", bound="Answer")


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker says.

    `LARGEST` is how many bytes it may come to, with all that surrounds it.
    """

    LARGEST: ClassVar[int] = MAX_FRAME


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
    key_material_in_worker: bool


class OpenChannel(Request[ChannelOpened], frozen=True, tag="open-channel"):
    """Verify a card's cryptogram and make the host's."""

    ANSWER = ChannelOpened
    caller: Name
    key_set: Name
    card: Card
    security_level: Byte


class DeliveredKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """Session keys wrapped under a transport key; the DEK only where permitted."""

    transport_key: Name
    mechanism: Literal["aes-key-wrap", "des3-ecb"]
    enc: WrappedKey | None
    mac: WrappedKey
    rmac: WrappedKey | None
    dek: WrappedKey | None


class KeysDelivered(Answer, frozen=True, tag="keys-delivered"):
    """A channel whose card proved its keys; the caller goes on by itself."""

    scp: Byte
    i: Byte
    key_set: Name
    key_version: Byte
    host_cryptogram: Cryptogram
    external_authenticate: Apdu
    keys: DeliveredKeys
    key_material_in_worker: bool


class DeliverKeys(Request[KeysDelivered], frozen=True, tag="deliver-keys"):
    """Open a channel and hand its keys to the caller under its transport key."""

    ANSWER = KeysDelivered
    caller: Name
    key_set: Name
    card: Card
    security_level: Byte


class CryptogramVerified(Answer, frozen=True, tag="cryptogram-verified"):
    """Whether the card holds the keys."""

    valid: bool
    key_material_in_worker: bool = False


class VerifyCryptogram(Request[CryptogramVerified], frozen=True, tag="verify-cryptogram"):
    """Verify a card's cryptogram and open nothing."""

    ANSWER = CryptogramVerified
    caller: Name
    key_set: Name
    card: Card


class Channel(Struct, frozen=True, forbid_unknown_fields=True):
    """A session after a step; which card's it is, and how its keys were made, for the record."""

    session: Session
    key_set: Name
    key_version: Byte
    diversification_data: CardData
    key_material_in_worker: bool = False


class CommandsWrapped(Answer, frozen=True, tag="commands-wrapped"):
    """Protected commands, in the order asked."""

    channel: Channel
    apdus: Apdus


class WrapCommands(Request[CommandsWrapped], frozen=True, tag="wrap-commands"):
    """Put secure messaging on commands, in order: all of them or none."""

    ANSWER = CommandsWrapped
    caller: Name
    session: Session
    apdus: Apdus


class UnwrappedResponse(Struct, frozen=True, forbid_unknown_fields=True):
    """A response (data ‖ SW) without protection, and whether an R-MAC vouches for it."""

    response: Response
    protected: bool


class ResponsesUnwrapped(Answer, frozen=True, tag="responses-unwrapped"):
    """Responses, in the order asked; `closed` after the card gave the channel up."""

    channel: Channel
    responses: Annotated[list[UnwrappedResponse], Meta(min_length=1, max_length=MAX_APDUS)]
    closed: bool


class UnwrapResponses(Request[ResponsesUnwrapped], frozen=True, tag="unwrap-responses"):
    """Check R-MACs and remove R-ENC, in order: all of them or none."""

    ANSWER = ResponsesUnwrapped
    caller: Name
    session: Session
    responses: Annotated[list[Response], Meta(min_length=1, max_length=MAX_APDUS)]


class PutKeyMade(Answer, frozen=True, tag="put-key-made"):
    """A protected PUT KEY, and the check values of the keys ENC, MAC, DEK, or of a base key."""

    channel: Channel
    apdu: Apdu
    key_check_values: Annotated[list[CheckValue], Meta(min_length=1, max_length=3)]
    key_material_in_worker: bool


class PutKey(Request[PutKeyMade], frozen=True, tag="put-key"):
    """Make the command that changes a card over to other keys."""

    ANSWER = PutKeyMade
    caller: Name
    session: Session
    new_key_set: Name | None
    new_key_version: Annotated[int, Meta(ge=1, le=127)]
    mode: Literal["add", "replace"]


class PutKeyConfirmed(Answer, frozen=True, tag="put-key-confirmed"):
    """The card answered that it holds the new keys; `protected` if an R-MAC vouches for it."""

    channel: Channel
    new_key_version: Byte
    protected: bool


class ConfirmPutKey(Request[PutKeyConfirmed], frozen=True, tag="confirm-put-key"):
    """Check a card's answer to PUT KEY."""

    ANSWER = PutKeyConfirmed
    caller: Name
    session: Session
    response: Response


class DataEncrypted(Answer, frozen=True, tag="data-encrypted"):
    """Data under the card's DEK; for a proof of presence also what was encrypted."""

    channel: Channel
    encrypted: Annotated[bytes, Meta(min_length=8, max_length=MAX_ENCRYPTED)]
    challenge: Annotated[bytes, Meta(min_length=16, max_length=16)] | None


class EncryptData(Request[DataEncrypted], frozen=True, tag="encrypt-data"):
    """Encrypt under the card's DEK, for one purpose."""

    ANSWER = DataEncrypted
    caller: Name
    session: Session
    purpose: Literal["proof-of-presence", "pin", "object"]
    data: Annotated[bytes, Meta(min_length=8, max_length=MAX_ENCRYPTED)] | None


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
    """Ask for the versions of a key set and their check values.

    Slow: it searches the token for each version.
    """

    ANSWER = KeySetDescribed
    LANE = Lane.SLOW
    caller: Name
    key_set: Name


class PreparedCertificate(Answer, frozen=True, tag="prepared-certificate"):
    """A certificate that was looked over and waits to be signed.

    `prepared` is opaque, and MACed by the token. What stands beside it is for the record.
    Times are in seconds of Unix time. `left_out` names fields of the request for signing that
    the profile has no place for.
    """

    prepared: Prepared
    serial_number: SerialNumber
    subject: Text
    public_key_sha256: Sha256Hex
    not_before: Seconds
    not_after: Seconds
    unique_key: bool
    left_out: Annotated[list[FieldName], Meta(max_length=MAX_FIELDS)]


class PrepareCertificate(Request[PreparedCertificate], frozen=True, tag="prepare-certificate"):
    """Build a certificate by a profile and look it over; it is not signed yet.

    `caller` is who asks, or the appliance itself. `request` is a request for signing in PEM or
    DER; `fields` take the place of those of the same name in it.
    """

    ANSWER = PreparedCertificate
    LARGEST = MAX_FRAME + _HEADING  # a body of the API fits in
    caller: Name
    ca: Name
    profile: Name
    request: CertificateRequest
    fields: Fields
    days: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None


class SignedCertificate(Answer, frozen=True, tag="signed-certificate"):
    """A certificate in DER."""

    certificate: Certificate


class SignCertificate(Request[SignedCertificate], frozen=True, tag="sign-certificate"):
    """Sign a prepared certificate.

    Asked again, it gives the same certificate but for the signature.
    """

    ANSWER = SignedCertificate
    LANE = Lane.SLOW
    caller: Name
    prepared: Prepared


class SignedCrl(Answer, frozen=True, tag="signed-crl"):
    """A CRL in DER."""

    LARGEST = MAX_CRL + _HEADING
    crl: Annotated[bytes, Meta(min_length=1, max_length=MAX_CRL)]


class SignCrl(Request[SignedCrl], frozen=True, tag="sign-crl"):
    """Build a CRL and sign it.

    `entries` are packed by revoked_entries.py, so that a million of them is one message. What they
    say is the front's word; that they are a CRL of this CA, of the present and no longer good
    than the policy says, is the worker's.
    """

    ANSWER = SignedCrl
    LANE = Lane.SLOW
    LARGEST = MAX_CRL_ENTRIES * ENTRY_LENGTH + _HEADING
    caller: Name
    ca: Name
    number: Annotated[int, Meta(ge=1, lt=2**53)]
    base_number: Annotated[int, Meta(ge=1, lt=2**53)] | None
    entries: Annotated[bytes, Meta(max_length=MAX_CRL_ENTRIES * ENTRY_LENGTH)]


class Status(Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate and how it is: good, unless it was revoked, in seconds of Unix time."""

    serial_number: SerialNumber
    revoked_at: Seconds | None = None
    reason: Annotated[str, Meta(max_length=32)] | None = None


class SignedStatuses(Answer, frozen=True, tag="signed-statuses"):
    """OCSP answers in DER, two for each certificate: with SHA-1 and with SHA-256."""

    LARGEST = 2 * MAX_STATUSES * MAX_OCSP_ANSWER + _HEADING
    this_update: Seconds
    next_update: Seconds
    by_sha1: Annotated[list[OcspAnswer], Meta(max_length=MAX_STATUSES)]
    by_sha256: Annotated[list[OcspAnswer], Meta(max_length=MAX_STATUSES)]


class SignStatuses(Request[SignedStatuses], frozen=True, tag="sign-statuses"):
    """Sign OCSP answers by the CA's responder."""

    ANSWER = SignedStatuses
    LANE = Lane.SLOW
    caller: Name
    ca: Name
    statuses: Annotated[list[Status], Meta(min_length=1, max_length=MAX_STATUSES)]


class RefusedCard(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose genuine session it was that a request was refused in."""

    key_set: Name
    key_version: Byte
    diversification_data: CardData


class Refused(Answer, frozen=True, tag="refused"):
    """A refusal; the front tells the caller of it, and records it with the card."""

    code: Code
    detail: Text
    pointer: Text | None = None
    card: RefusedCard | None = None


class Capabilities(Struct, frozen=True, forbid_unknown_fields=True):
    """What the worker's token does; the fields are those of hsm/capabilities.py."""

    derives_aes_ecb: bool
    derives_des3_ecb: bool
    derives_des3_cbc: bool
    signs_aes_cmac: bool
    signs_hmac_sha256: bool
    wraps_aes_cbc: bool
    wraps_des3_ecb: bool
    wraps_aes_key_wrap: bool


class Started(Answer, frozen=True, tag="started"):
    """The first thing that a worker says, unasked: it is logged in and ready.

    `worker` tells this process from every other that there was or will be.
    """

    worker: WorkerId
    generation: Generation
    token: Text
    policy_digest: Annotated[str, Meta(min_length=64, max_length=64)]
    capabilities: Capabilities


class StartFailed(Answer, frozen=True, tag="start-failed"):
    """The first and last thing that a worker says which cannot start."""

    reason: Text


class Condition(Answer, frozen=True, tag="condition"):
    """How a worker is, unasked: once a second, and at once when its state changes.

    `derivations` counts the keys derived since the worker began; `resident_bytes` is the memory
    that it holds. `reason` says why the token counts as lost.
    """

    state: Literal["operational", "lost"]
    generation: Generation
    derivations: Annotated[int, Meta(ge=0, lt=2**53)]
    resident_bytes: Annotated[int, Meta(ge=0, lt=2**53)]
    reason: Text | None = None


AnyRequest = (
    IssueChallenge
    | OpenChannel
    | DeliverKeys
    | VerifyCryptogram
    | WrapCommands
    | UnwrapResponses
    | PutKey
    | ConfirmPutKey
    | EncryptData
    | MakeRandom
    | DescribeKeySet
    | PrepareCertificate
    | SignCertificate
    | SignCrl
    | SignStatuses
)
AnyAnswer = (
    ChallengeIssued
    | ChannelOpened
    | KeysDelivered
    | CryptogramVerified
    | CommandsWrapped
    | ResponsesUnwrapped
    | PutKeyMade
    | PutKeyConfirmed
    | DataEncrypted
    | RandomMade
    | KeySetDescribed
    | PreparedCertificate
    | SignedCertificate
    | SignedCrl
    | SignedStatuses
    | Refused
    | Started
    | StartFailed
    | Condition
)


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A request on its way: its number, and when its asker stops waiting.

    `deadline` is in seconds of the machine's monotonic clock, which both processes share.
    """

    number: Annotated[int, Meta(ge=1, lt=2**53)]
    deadline: float
    request: AnyRequest


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker did, for the record: a front that hides an operation leaves a gap.

    `sequence` counts the answers of this worker's process from 1. `digest` is the SHA-256 of
    the encoded request and the encoded answer after it. `mac` is a CMAC by the token over all
    fields but the version of the key that made it.
    """

    worker: WorkerId
    generation: Generation
    sequence: Annotated[int, Meta(ge=1, lt=2**53)]
    operation: Name
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]
    key_version: Annotated[int, Meta(ge=0, le=255)]
    mac: Annotated[bytes, Meta(min_length=16, max_length=16)]

    def mac_input(self) -> bytes:
        """Return what `mac` is over; docs/audit.md has the layout."""
        return (
            b"tmsd-receipt-v1"
            + self.worker
            + self.generation.to_bytes(8)
            + self.sequence.to_bytes(8)
            + self.digest
            + self.operation.encode()
        )


class Reply(Struct, frozen=True, forbid_unknown_fields=True):
    """An answer on its way back; number 0 is what the worker says unasked, without a receipt."""

    number: Annotated[int, Meta(ge=0, lt=2**53)]
    answer: AnyAnswer
    receipt: Receipt | None = None
