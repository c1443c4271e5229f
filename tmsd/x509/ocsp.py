"""OCSP: certIDs, requests, and the answers that a delegated responder signs (RFC 6960, RFC 5019).

An answer tells of one certificate and is signed before anybody asks, so it holds no nonce; how it
is repeated with one is in ocsp_nonces.py.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tmsd.x509.public_keys import PublicKey
from tmsd.x509.signature import scheme_for

MAX_REQUEST = 4 * 1024
"""The longest request, in bytes of DER: room for a signed one with a certificate."""

MAX_ANSWER = 16 * 1024
"""The longest answer, in bytes of DER: room for the responder's certificate."""

# RFC 5280, 4.1.2.2: 20 octets, of which the first bit is zero.
_SERIAL_BITS = 159


class CertIdDigest(Enum):
    """The hashes that answers are made for: RFC 5019, 2.1.1, and what has replaced it since."""

    SHA_1 = "sha1"
    SHA_256 = "sha256"

    @property
    def algorithm(self) -> SHA1 | SHA256:
        """The hash, for cryptography; SHA-1 names a CA here, and protects nothing."""
        return SHA1() if self is CertIdDigest.SHA_1 else SHA256()  # noqa: S303


class Refusal(Enum):
    """Answers that are not signed and tell of no certificate (RFC 6960, 2.3)."""

    MALFORMED_REQUEST = ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    INTERNAL_ERROR = ocsp.OCSPResponseStatus.INTERNAL_ERROR
    TRY_LATER = ocsp.OCSPResponseStatus.TRY_LATER
    UNAUTHORIZED = ocsp.OCSPResponseStatus.UNAUTHORIZED

    @property
    def der(self) -> bytes:
        """The answer."""
        return _REFUSALS[self]


_REFUSALS = {
    refusal: ocsp.OCSPResponseBuilder.build_unsuccessful(refusal.value).public_bytes(Encoding.DER)
    for refusal in Refusal
}


class OcspRefused(Exception):
    """A request gets no answer about a certificate, but this refusal."""

    def __init__(self, refusal: Refusal, words: str) -> None:
        super().__init__(words)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class IssuerId:
    """A CA as certIDs name it (RFC 6960, 4.1.1); the hashes are those of its name and its key."""

    digest: CertIdDigest
    name_hash: bytes
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class CertId:
    """A certificate as requests name it."""

    issuer: IssuerId
    serial_number: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks; the nonce is any number of bytes, None where it has none."""

    certificate: CertId
    nonce: bytes | None = None


def issuer_id(ca: x509.Certificate, digest: CertIdDigest) -> IssuerId:
    """Return how certIDs name a CA."""
    name = hashlib.new(digest.value, ca.subject.public_bytes(), usedforsecurity=False).digest()
    # Of what the request names the key alone is the CA's own: its issuer stands in its certificate.
    asked = ocsp.OCSPRequestBuilder().add_certificate(ca, ca, digest.algorithm).build()
    return IssuerId(digest, name, asked.issuer_key_hash)


def parse_request(der: bytes) -> Asked:
    """Return which certificate a request asks about, and its nonce; a signature is passed over.

    Raises:
        OcspRefused: `malformedRequest`; `unauthorized` where it asks for what no answer is made
            for: several certificates at once (RFC 5019, 2.1.1), or another hash.
    """
    if len(der) > MAX_REQUEST:
        raise OcspRefused(Refusal.MALFORMED_REQUEST, f"a request has at most {MAX_REQUEST} bytes")
    try:
        return _asked(ocsp.load_der_ocsp_request(der))
    except NotImplementedError:
        raise OcspRefused(Refusal.UNAUTHORIZED, "ask about one certificate at a time") from None
    except UnsupportedAlgorithm:
        raise _unknown_digest() from None
    except ValueError as error:
        raise OcspRefused(Refusal.MALFORMED_REQUEST, str(error)) from None


def _asked(request: ocsp.OCSPRequest) -> Asked:
    nonce = None
    for extension in request.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            nonce = extension.value.nonce
        elif extension.critical:
            raise OcspRefused(Refusal.MALFORMED_REQUEST, "it has a critical extension")
    return Asked(cert_id_of(request), nonce)


def cert_id_of(message: ocsp.OCSPRequest | ocsp.OCSPResponse) -> CertId:
    """Return which certificate a request or an answer is about.

    Raises:
        OcspRefused: `unauthorized`: by another hash, or there can be no such certificate.
        UnsupportedAlgorithm: by a hash that is none.
        ValueError: it is about none, or several.
    """
    name, serial = message.hash_algorithm.name, message.serial_number
    if name not in {digest.value for digest in CertIdDigest}:
        raise _unknown_digest()
    if not 0 < serial < 1 << _SERIAL_BITS:
        raise OcspRefused(Refusal.UNAUTHORIZED, "no certificate has this serial number")
    digest = CertIdDigest(name)
    return CertId(IssuerId(digest, message.issuer_name_hash, message.issuer_key_hash), serial)


def _unknown_digest() -> OcspRefused:
    return OcspRefused(Refusal.UNAUTHORIZED, "certIDs are made with SHA-1 or SHA-256")


@dataclass(frozen=True, slots=True)
class Revocation:
    """That a certificate is revoked or on hold, since when and why."""

    at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


@dataclass(frozen=True, slots=True)
class Period:
    """When an answer holds: from `this_update` until `next_update`."""

    this_update: datetime
    next_update: datetime


class AnswerRefused(Exception):
    """An answer must not be signed: says what is wrong."""


@dataclass(frozen=True, slots=True)
class Responder:
    """Who answers for a CA (RFC 6960, 4.2.2.2); made by `delegated` only."""

    certificate: x509.Certificate


def delegated(certificate: x509.Certificate, ca: x509.Certificate) -> Responder:
    """Return the responder that a CA has made out a certificate for.

    Raises:
        AnswerRefused: it is not of this CA, or not for answering.
    """
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, InvalidSignature):
        raise AnswerRefused("the CA itself must have issued the responder's certificate") from None
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise AnswerRefused("the responder's certificate has no extended key usage") from None
    if ExtendedKeyUsageOID.OCSP_SIGNING not in found.value:
        raise AnswerRefused("the responder's certificate must be for OCSP signing")
    return Responder(certificate)


@dataclass(frozen=True, slots=True)
class Statement:
    """What an answer says: of which certificate, how it is (None: good), and when that holds."""

    certificate: CertId
    revocation: Revocation | None
    period: Period


def sign_answer(
    responder: Responder,
    key: CertificateIssuerPrivateKeyTypes,
    asked: CertId,
    revocation: Revocation | None,
    period: Period,
) -> bytes:
    """Return a signed answer (DER) about one certificate.

    Args:
        responder: whose certificate goes with the answer, which names it by its key.
        key: the responder's. RSA signs with PKCS #1 v1.5, as cryptography knows no other way.
        asked: which certificate; requests with another hash need an answer of their own.
        revocation: None: it is good.
        period: when the answer holds.

    Raises:
        AnswerRefused: a date or the reason is not one that an answer can have.
    """
    _require_sound(responder, revocation, period)
    unsigned = answer_builder(responder, Statement(asked, revocation, period))
    return signed(unsigned, responder, key)


def answer_builder(responder: Responder, statement: Statement) -> ocsp.OCSPResponseBuilder:
    """Return an answer that is not signed yet; it has the responder's certificate."""
    asked, revocation, period = statement.certificate, statement.revocation, statement.period
    unsigned = ocsp.OCSPResponseBuilder().add_response_by_hash(
        asked.issuer.name_hash,
        asked.issuer.key_hash,
        asked.serial_number,
        asked.issuer.digest.algorithm,
        ocsp.OCSPCertStatus.REVOKED if revocation else ocsp.OCSPCertStatus.GOOD,
        period.this_update,
        period.next_update,
        revocation.at if revocation else None,
        _said(revocation.reason) if revocation else None,
    )
    certificate = responder.certificate
    named = unsigned.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
    return named.certificates([certificate])


def signed(
    unsigned: ocsp.OCSPResponseBuilder, responder: Responder, key: CertificateIssuerPrivateKeyTypes
) -> bytes:
    """Return a signed answer (DER)."""
    digest = scheme_for(public_key_of(responder)).digest
    return unsigned.sign(key, digest).public_bytes(Encoding.DER)


def period_of(answer: bytes) -> Period:
    """Return when a signed answer of ours holds.

    Raises:
        ValueError: it is none.
    """
    read = ocsp.load_der_ocsp_response(answer)
    if read.next_update_utc is None:
        raise ValueError("the answer has no nextUpdate")
    return Period(read.this_update_utc, read.next_update_utc)


def _require_sound(responder: Responder, revocation: Revocation | None, period: Period) -> None:
    certificate = responder.certificate
    if period.this_update >= period.next_update:
        raise AnswerRefused("nextUpdate must be after thisUpdate")
    if not (
        certificate.not_valid_before_utc <= period.this_update
        and period.next_update <= certificate.not_valid_after_utc
    ):
        raise AnswerRefused("the answer must hold within the validity of the responder")
    if revocation is None:
        return
    if revocation.at > period.this_update:
        raise AnswerRefused("a certificate is revoked before that is told")
    if revocation.reason is x509.ReasonFlags.remove_from_crl:
        raise AnswerRefused("a certificate whose hold was released is good")


def _said(reason: x509.ReasonFlags) -> x509.ReasonFlags | None:
    """Return the reason as an answer says it: RFC 5280, 5.3.1, says nothing for `unspecified`."""
    return None if reason is x509.ReasonFlags.unspecified else reason


def public_key_of(responder: Responder) -> PublicKey:
    """Return the public key of a responder.

    Raises:
        AnswerRefused: it is of no kind that responders have.
    """
    key = responder.certificate.public_key()
    if not isinstance(key, PublicKey):
        raise AnswerRefused("responders have keys of RSA, of a NIST curve, or Ed25519")
    return key
