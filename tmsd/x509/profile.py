"""A certificate profile: what its certificates say, for which keys, and who may have one."""

from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tmsd.x509.names import AlternativeName, AttributeType
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.templates import Template


class KeyUsage(StrEnum):
    """What the key may do (RFC 5280, 4.2.1.3), as profiles name it."""

    DIGITAL_SIGNATURE = "digital_signature"
    CONTENT_COMMITMENT = "content_commitment"
    KEY_ENCIPHERMENT = "key_encipherment"
    DATA_ENCIPHERMENT = "data_encipherment"
    KEY_AGREEMENT = "key_agreement"
    KEY_CERT_SIGN = "key_cert_sign"
    CRL_SIGN = "crl_sign"


_ENCIPHERS = frozenset({KeyUsage.KEY_ENCIPHERMENT, KeyUsage.DATA_ENCIPHERMENT})
_AGREES = frozenset({KeyUsage.KEY_AGREEMENT})
# RSA: RFC 3279, 2.3.1; ECDSA and ECDH: RFC 8813, 3; Ed25519: RFC 8410, 5.
_FOREIGN_USAGES = {
    **dict.fromkeys((KeyKind.RSA_2048, KeyKind.RSA_3072, KeyKind.RSA_4096), _AGREES),
    **dict.fromkeys((KeyKind.P_256, KeyKind.P_384, KeyKind.P_521), _ENCIPHERS),
    KeyKind.ED25519: _ENCIPHERS | _AGREES,
}


class ExtendedKeyUsage(StrEnum):
    """What the certificate is for (RFC 5280, 4.2.1.12), as profiles name it."""

    CLIENT_AUTH = "client_auth"
    SERVER_AUTH = "server_auth"
    EMAIL_PROTECTION = "email_protection"
    OCSP_SIGNING = "ocsp_signing"
    SMARTCARD_LOGON = "smartcard_logon"
    KERBEROS_PKINIT_CLIENT = "kerberos_pkinit_client"
    DOCUMENT_SIGNING = "document_signing"

    @property
    def oid(self) -> x509.ObjectIdentifier:
        """The purpose's object identifier."""
        return _PURPOSES[self][0]

    @property
    def usages(self) -> frozenset[KeyUsage]:
        """What its key may do for it: one of these at least."""
        return _PURPOSES[self][1]


_SIGNS = frozenset({KeyUsage.DIGITAL_SIGNATURE})
_COMMITS = frozenset({KeyUsage.CONTENT_COMMITMENT})
_TRANSPORTS = frozenset({KeyUsage.KEY_ENCIPHERMENT})
_PURPOSES = {
    ExtendedKeyUsage.CLIENT_AUTH: (ExtendedKeyUsageOID.CLIENT_AUTH, _SIGNS | _AGREES),
    ExtendedKeyUsage.SERVER_AUTH: (
        ExtendedKeyUsageOID.SERVER_AUTH,
        _SIGNS | _TRANSPORTS | _AGREES,
    ),
    ExtendedKeyUsage.EMAIL_PROTECTION: (
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        _SIGNS | _COMMITS | _TRANSPORTS | _AGREES,
    ),
    ExtendedKeyUsage.OCSP_SIGNING: (ExtendedKeyUsageOID.OCSP_SIGNING, _SIGNS | _COMMITS),
    ExtendedKeyUsage.SMARTCARD_LOGON: (ExtendedKeyUsageOID.SMARTCARD_LOGON, _SIGNS),
    # RFC 4556, 3.2.2.
    ExtendedKeyUsage.KERBEROS_PKINIT_CLIENT: (
        x509.ObjectIdentifier("1.3.6.1.5.2.3.4"),
        _SIGNS,
    ),
    # RFC 9336.
    ExtendedKeyUsage.DOCUMENT_SIGNING: (
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),
        _SIGNS | _COMMITS,
    ),
}


class Proof(StrEnum):
    """What shows that who asks holds the private key, as profiles name it."""

    CSR = "csr"
    CARD = "card"


class Holder(StrEnum):
    """What holds the key: it says which certificates an API may never get."""

    END_ENTITY = "end-entity"
    OFFICER = "officer"
    OCSP_RESPONDER = "ocsp-responder"
    SUBORDINATE_CA = "subordinate-ca"

    @property
    def from_api(self) -> bool:
        """Whether a caller of the API can be allowed to have such certificates."""
        return self is Holder.END_ENTITY


@dataclass(frozen=True, slots=True)
class Profile:
    """What a certificate of this profile says, and who may have one.

    Attributes:
        name: of the profile.
        holder: what holds the key.
        issue_by: roles of callers that may have it; empty: nobody over the API.
        days: the longest validity; the issuer's own end bounds it as well.
        keys: the kinds of key, at least one.
        proofs: of possession that are taken, at least one.
        unique_key: a key that a valid certificate has already is refused.
        subject: attributes in their order, from the root of the name.
        alternative_names: as the profile lists them.
        key_usage: at least one.
        extended_key_usage: in the order of the profile.
        policies: OIDs of certificate policies.
        path_length: of a CA: how many CAs may follow; None elsewhere.
    """

    name: str
    holder: Holder
    issue_by: tuple[str, ...]
    days: int
    keys: tuple[KeyKind, ...]
    proofs: tuple[Proof, ...]
    unique_key: bool
    subject: tuple[tuple[AttributeType, Template], ...]
    alternative_names: tuple[tuple[AlternativeName, Template], ...]
    key_usage: tuple[KeyUsage, ...]
    extended_key_usage: tuple[ExtendedKeyUsage, ...]
    policies: tuple[str, ...]
    path_length: int | None

    @property
    def is_ca(self) -> bool:
        """Whether its certificates are for CAs."""
        return self.holder is Holder.SUBORDINATE_CA

    def usages_of(self, kind: KeyKind) -> tuple[KeyUsage, ...]:
        """Return those of the usages that keys of a kind have."""
        return tuple(usage for usage in self.key_usage if usage not in _FOREIGN_USAGES[kind])

    @property
    def fields(self) -> frozenset[str]:
        """The fields that a request may fill in."""
        templates = [template for _, template in (*self.subject, *self.alternative_names)]
        return frozenset(name for template in templates for name in template.fields)
