"""What a worker is asked to sign as a CA, and what it answers.

A message names a CA and a profile, never a digest, an algorithm or a key: the worker builds what
it signs, by its own policy.
"""

from typing import Annotated, ClassVar, Generic

from msgspec import Meta, Struct

from tmsd.vault.message import (
    HEADING,
    MAX_FRAME,
    A,
    Answer,
    Lane,
    Name,
    NamedCard,
    Request,
    Seconds,
    Text,
    Ticket,
)
from tmsd.x509.card_proofs import MAX_KEY_BLOB, MAX_SIGNATURE
from tmsd.x509.distribution import MOST_PARTITIONS
from tmsd.x509.linting import MAX_CERTIFICATE
from tmsd.x509.ocsp import MAX_ANSWER
from tmsd.x509.requests import MAX_CSR
from tmsd.x509.templates import MAX_VALUE, MAX_VALUES

MAX_FIELDS = 32
MAX_PREPARED = 32 * 1024
MAX_CRL_ENTRIES = 1_500_000
# Certificate number, seconds of the revocation, reason, seconds of the invalidity (0: none).
ENTRY_LENGTH = 16 + 8 + 1 + 8
# An entry with a reason and an invalidity date has 77 bytes of DER.
MAX_CRL = 80 * MAX_CRL_ENTRIES
# An entry takes a hundredth of a millisecond, and a tenth on a machine that has much else to do.
_SECONDS_FOR_ENTRY = 1e-4
MAX_STATUSES = 32
MAX_QUORUM = 64 * 1024
MAX_ASKED = 16 * 1024
MAX_APPROVAL = 4 * 1024
MAX_APPROVALS = 32

Prepared = Annotated[bytes, Meta(min_length=1, max_length=MAX_PREPARED)]
CertificateRequest = Annotated[bytes, Meta(min_length=1, max_length=MAX_CSR)]
Certificate = Annotated[bytes, Meta(min_length=1, max_length=MAX_CERTIFICATE)]
CrossedCertificate = Annotated[bytes, Meta(min_length=1, max_length=MAX_CSR)]
OcspAnswer = Annotated[bytes, Meta(min_length=1, max_length=MAX_ANSWER)]
SerialNumber = Annotated[bytes, Meta(min_length=16, max_length=16)]
Partition = Annotated[int, Meta(ge=0, le=MOST_PARTITIONS)]
Sha256Hex = Annotated[str, Meta(min_length=64, max_length=64)]
FieldName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
FieldValue = Annotated[str, Meta(max_length=MAX_VALUE)]
Fields = Annotated[
    dict[FieldName, Annotated[list[FieldValue], Meta(min_length=1, max_length=MAX_VALUES)]],
    Meta(max_length=MAX_FIELDS),
]


class SignedRequest(Struct, frozen=True, forbid_unknown_fields=True, tag="csr"):
    """A request for signing in PEM or DER, signed by the key that it is for."""

    csr: CertificateRequest


class CrossedCa(Struct, frozen=True, forbid_unknown_fields=True, tag="ca"):
    """A CA's certificate in DER, and a request by its key unless it is signed by that itself."""

    certificate: CrossedCertificate
    csr: CertificateRequest | None


class CardProof(Struct, frozen=True, forbid_unknown_fields=True, tag="card"):
    """A key that a card made: its key blob, and the card's signature over that and a challenge.

    `ticket` is that of the challenge, which was encrypted for the card.
    """

    public_key: Annotated[bytes, Meta(min_length=1, max_length=MAX_KEY_BLOB)]
    ticket: Ticket
    signature: Annotated[bytes, Meta(min_length=1, max_length=MAX_SIGNATURE)]


Proof = SignedRequest | CardProof | CrossedCa
"""Which key a certificate is for, and what shows that who asks holds it."""


class QuorumApproval(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to the quorum, and approvals of it: each as the file is that has it."""

    LARGEST: ClassVar[int] = MAX_ASKED + MAX_APPROVALS * MAX_APPROVAL
    request: Annotated[bytes, Meta(min_length=1, max_length=MAX_ASKED)]
    approvals: Annotated[
        list[Annotated[bytes, Meta(min_length=1, max_length=MAX_APPROVAL)]],
        Meta(max_length=MAX_APPROVALS),
    ]


class CertificateWanted(Request[A], Generic[A], frozen=True):
    """A certificate as it is asked for.

    `caller` is who asks, or the appliance itself. `fields` take the place of those of the same
    name in a request for signing.
    """

    caller: Name
    ca: Name
    profile: Name
    proof: Proof
    fields: Fields
    days: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None


class DraftedCertificate(Answer, frozen=True, tag="drafted-certificate"):
    """What a quorum would have to approve, and which: as the token has it.

    `certificate` is as it will be, but for its signature: a throw-away key has made that.
    """

    LARGEST = MAX_CERTIFICATE + MAX_QUORUM + HEADING
    certificate: Certificate
    quorum: Annotated[bytes, Meta(min_length=1, max_length=MAX_QUORUM)]
    policy_version: Annotated[int, Meta(ge=1, lt=2**31)]


class DraftCertificate(CertificateWanted[DraftedCertificate], frozen=True, tag="draft-certificate"):
    """Build a certificate that takes a quorum's approval, for officers to look at."""

    ANSWER = DraftedCertificate
    LARGEST = MAX_FRAME + HEADING


class PreparedCertificate(Answer, frozen=True, tag="prepared-certificate"):
    """A certificate that was looked over and waits to be signed.

    `prepared` is opaque, and MACed by the token. What stands beside it is for the record.
    Times are in seconds of Unix time. `partition` is that of the CRL that it names for good, 0 for
    the whole one. `left_out` names fields of the request for signing that the profile has no place
    for; `card` is the one that made the key, if any did.
    """

    prepared: Prepared
    serial_number: SerialNumber
    subject: Text
    public_key_sha256: Sha256Hex
    not_before: Seconds
    not_after: Seconds
    partition: Partition
    unique_key: bool
    left_out: Annotated[list[FieldName], Meta(max_length=MAX_FIELDS)]
    card: NamedCard | None


class PrepareCertificate(
    CertificateWanted[PreparedCertificate], frozen=True, tag="prepare-certificate"
):
    """Build a certificate by a profile and look it over; it is not signed yet.

    What a quorum has approved has the validity that it approved, whatever `days` are.
    """

    ANSWER = PreparedCertificate
    LARGEST = MAX_FRAME + QuorumApproval.LARGEST + HEADING  # a body of the API fits in
    approval: QuorumApproval | None = None


class SignedCertificate(Answer, frozen=True, tag="signed-certificate"):
    """A certificate in DER."""

    certificate: Certificate


class SignCertificate(Request[SignedCertificate], frozen=True, tag="sign-certificate"):
    """Sign a prepared certificate.

    Asked again, it gives the same certificate but for the signature.
    """

    ANSWER = SignedCertificate
    LANE = Lane.SLOW
    LARGEST = MAX_PREPARED + QuorumApproval.LARGEST + HEADING
    caller: Name
    prepared: Prepared
    approval: QuorumApproval | None = None


class SignedCrl(Answer, frozen=True, tag="signed-crl"):
    """A CRL in DER."""

    LARGEST = MAX_CRL + HEADING
    crl: Annotated[bytes, Meta(min_length=1, max_length=MAX_CRL)]


class SignCrl(Request[SignedCrl], frozen=True, tag="sign-crl"):
    """Build a CRL and sign it.

    `entries` are packed by revoked_entries.py, so that a million of them is one message. What they
    say is the front's word; that they are a CRL of this CA, of the present, no longer good than the
    policy says, and where it says, is the worker's. `partition` is 0 for the whole CRL.
    """

    ANSWER = SignedCrl
    LANE = Lane.SLOW
    LARGEST = MAX_CRL_ENTRIES * ENTRY_LENGTH + HEADING
    caller: Name
    ca: Name
    partition: Partition
    number: Annotated[int, Meta(ge=1, lt=2**53)]
    base_number: Annotated[int, Meta(ge=1, lt=2**53)] | None
    entries: Annotated[bytes, Meta(max_length=MAX_CRL_ENTRIES * ENTRY_LENGTH)]

    @property
    def extra_seconds(self) -> float:
        """How much longer it may take than its lane has it: by the number of entries."""
        return len(self.entries) // ENTRY_LENGTH * _SECONDS_FOR_ENTRY


class Status(Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate and how it is: good, unless it was revoked, in seconds of Unix time."""

    serial_number: SerialNumber
    revoked_at: Seconds | None = None
    reason: Annotated[str, Meta(max_length=32)] | None = None


class SignedStatuses(Answer, frozen=True, tag="signed-statuses"):
    """OCSP answers in DER, two for each certificate: with SHA-1 and with SHA-256."""

    LARGEST = 2 * MAX_STATUSES * MAX_ANSWER + HEADING
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
