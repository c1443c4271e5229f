"""The bodies of the certificate authority's requests and answers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tmsd.api.bodies import Body, Ticket
from tmsd.api.values import Hex
from tmsd.vault.certificate_messages import MAX_FIELDS
from tmsd.x509.card_proofs import MAX_KEY_BLOB, MAX_SIGNATURE
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


class CardProofBody(Body):
    """What a card made of a challenge when it made a key pair."""

    ticket: Ticket = Field(description="from POST /v1/tks/sessions/encrypt")
    signature: Annotated[bytes, Hex(1, MAX_SIGNATURE)] = Field(
        description="by the private key, over public_key and the challenge"
    )


class CertificateRequestBody(Body):
    """A certificate that is wanted, for the key of `csr`, or for `public_key` with `proof`."""

    profile: Name
    csr: Annotated[str, Field(max_length=MAX_CSR, pattern=r"^[\t\n\r -~]+$")] | None = Field(
        default=None,
        description="a request for signing (PKCS #10) in PEM: it proves who holds the key",
    )
    public_key: Annotated[bytes, Hex(1, MAX_KEY_BLOB)] | None = Field(
        default=None, description="a key blob, as a card gave it when it made the key pair"
    )
    proof: CardProofBody | None = Field(default=None, description="with public_key")
    fields: Annotated[dict[FieldName, FieldValue | FieldValues], Field(max_length=MAX_FIELDS)] = (
        Field(
            default_factory=dict,
            description="of the profile; they take the place of those of the same name in the csr",
        )
    )
    days: Annotated[int, Field(ge=1, le=36525)] | None = Field(
        default=None, description="how long it shall be valid; the longest there is by default"
    )

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        if (self.csr is None) == (self.public_key is None):
            raise ValueError("must hold either csr or public_key")
        if (self.proof is None) != (self.public_key is None):
            raise ValueError("must hold proof with public_key, and with nothing else")
        return self


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
