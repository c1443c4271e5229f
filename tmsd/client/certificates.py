"""What goes to a certificate authority and comes back from it. Certificates and CRLs are PEM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class CardKey:
    """A key that a card made, and what shows that it holds it.

    Attributes:
        public_key: the key blob, as the card gave it.
        signature: by the card, over the key blob and the challenge.
        ticket: that of the challenge.
    """

    public_key: bytes
    signature: bytes
    ticket: str


@dataclass(frozen=True, slots=True)
class WantedCertificate:
    """A certificate as it is wanted: one wish, however often it is sent.

    Attributes:
        profile: by which it is issued.
        key: a request for signing (PKCS #10) in PEM, or a key that a card made.
        fields: of the profile; they go before those of a request. One value, or several.
        days: how long it is valid; None for as long as can be.
        idempotency_key: by which the service knows the wish again, 16 to 64 of
            `A-Z a-z 0-9 . _ -`; a new one unless given.
    """

    profile: str
    key: str | CardKey
    fields: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    days: int | None = None
    idempotency_key: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate.

    Attributes:
        serial_number: 16 bytes.
        certificate: itself.
        chain: the CA's certificate, then its issuers' up to the root.
    """

    serial_number: bytes
    certificate: str
    chain: tuple[str, ...]


class Status(StrEnum):
    """How a certificate is; on hold it counts as revoked until it is released."""

    GOOD = "good"
    HOLD = "hold"
    REVOKED = "revoked"


class Reason(StrEnum):
    """Why a certificate is revoked (RFC 5280, 5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """A certificate, and how it is.

    Attributes:
        serial_number: 16 bytes.
        certificate: itself.
        profile: by which it was issued.
        subject: as RFC 4514 writes it.
        not_before: when it becomes valid.
        not_after: when it ends.
        status: how it is.
        revoked_at: None while it is good.
        reason: None while it is good; `certificateHold` while it is on hold.
    """

    serial_number: bytes
    certificate: str
    profile: str
    subject: str
    not_before: datetime
    not_after: datetime
    status: Status
    revoked_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Crl:
    """A CRL.

    Attributes:
        crl: itself.
        number: rises from one to the next.
        this_update: when it was signed.
        next_update: when the next will have come.
    """

    crl: str
    number: int
    this_update: datetime
    next_update: datetime
