"""The bodies of the certificate authority's requests and answers."""

from typing import Annotated, Literal

from pydantic import Field

from tmsd.api.bodies import Body
from tmsd.api.values import Hex
from tmsd.vault.certificate_messages import MAX_FIELDS
from tmsd.x509.requests import MAX_CSR
from tmsd.x509.templates import MAX_VALUE, MAX_VALUES

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
FieldValue = Annotated[str, Field(min_length=1, max_length=MAX_VALUE)]
FieldValues = Annotated[list[FieldValue], Field(min_length=1, max_length=MAX_VALUES)]
SerialNumber = Annotated[bytes, Hex(16)]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Pem = Annotated[str, Field(min_length=1)]

Reason = Literal[
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
]


class CertificateRequestBody(Body):
    """A certificate that is wanted."""

    profile: Name
    csr: Annotated[str, Field(max_length=MAX_CSR, pattern=r"^[\t\n\r -~]+$")] = Field(
        description="a request for signing (PKCS #10) in PEM: it proves who holds the key"
    )
    fields: Annotated[dict[FieldName, FieldValue | FieldValues], Field(max_length=MAX_FIELDS)] = (
        Field(
            default_factory=dict,
            description="of the profile; they take the place of those of the same name in the csr",
        )
    )
    days: Annotated[int, Field(ge=1, le=36525)] | None = Field(
        default=None, description="how long it shall be valid; the longest there is by default"
    )


class CertificateBody(Body):
    """A certificate."""

    serial_number: SerialNumber
    certificate: Pem
    chain: list[Pem] = Field(description="the CA's certificate, then its issuers', to the root")


class StatusBody(Body):
    """A certificate and how it is."""

    serial_number: SerialNumber
    certificate: Pem
    profile: Name
    subject: str
    not_before: Time
    not_after: Time
    status: Literal["good", "hold", "revoked"]
    revoked_at: Time | None = None
    reason: str | None = None


class RevocationBody(Body):
    """Why a certificate is revoked."""

    reason: Reason
    invalid_since: Time | None = Field(
        default=None, description="from when on its key is known or thought to be unsafe"
    )


class ChainBody(Body):
    """The certificates of a CA and of its issuers."""

    chain: list[Pem]


class CrlBody(Body):
    """The present CRL."""

    crl: Pem
    number: int
    this_update: Time
    next_update: Time
