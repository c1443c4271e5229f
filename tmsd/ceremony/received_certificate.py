"""A certificate that another CA issued for a key pair of the token: read, and looked over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from cryptography.x509 import Certificate, Name

from tmsd.ceremony.described_certificate import certificate_sha256
from tmsd.ceremony.refusal import Refused
from tmsd.x509.building import Issuer
from tmsd.x509.paths import LARGEST_FILE, is_issued_by, objections, read_path
from tmsd.x509.public_keys import kind_of, spki_sha256
from tmsd.x509.refusal import CertificateRefused
from tmsd.x509.requests import HASHES


class ReceivedRule(StrEnum):
    """What was broken; docs/ceremonies.md explains each."""

    MISSING = "certificate-missing"
    MALFORMED = "certificate-malformed"
    OF_OTHER_ISSUER = "certificate-of-other-issuer"
    OF_OTHER_KEY = "certificate-of-other-key"
    OF_OTHER_SUBJECT = "certificate-of-other-subject"
    NOT_OF_CA = "certificate-not-of-ca"
    NOT_VALID_NOW = "certificate-not-valid-now"
    SIGNATURE_WEAK = "certificate-signature-weak"
    PATH_WRONG = "certificate-path-wrong"
    NOT_THE_APPROVED = "certificate-not-the-approved"


class ReceivedRefused(Refused):
    """A rule forbids it.

    Attributes:
        rule: which one.
    """

    def __init__(self, rule: ReceivedRule, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Expected:
    """What was asked for, and of whom.

    Attributes:
        subject: of the request.
        public_key_sha256: of the key pair's SubjectPublicKeyInfo, 64 hex digits.
        issuer_sha256: of the issuer's certificate in DER, 64 hex digits; None for any.
    """

    subject: Name
    public_key_sha256: str
    issuer_sha256: str | None


def read_certificates(file: Path) -> tuple[Certificate, ...]:
    """Return the certificates of a file in PEM, at least one.

    Raises:
        ReceivedRefused: `certificate-missing` or `certificate-malformed`.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ReceivedRefused(ReceivedRule.MISSING, f"{file}: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise ReceivedRefused(ReceivedRule.MALFORMED, f"{file} has more than {LARGEST_FILE} bytes")
    try:
        return read_path(content)
    except ValueError as error:
        raise ReceivedRefused(ReceivedRule.MALFORMED, f"{file} {error}") from None


def whole_path(
    received: tuple[Certificate, ...], above: tuple[Certificate, ...]
) -> tuple[Certificate, ...]:
    """Return the certificate, followed by its issuers'.

    Args:
        received: the certificate, alone or followed by as many of `above` as the CA sent.
        above: its issuer's, then those above it up to the root.

    Raises:
        ReceivedRefused: `certificate-path-wrong`: what the CA sent are others.
    """
    certificate, *sent = received
    if tuple(sent) != above[: len(sent)]:
        raise ReceivedRefused(
            ReceivedRule.PATH_WRONG,
            "the certificates that came with it are not those of its issuers, in their order",
        )
    return (certificate, *above)


def require_fit(path: tuple[Certificate, ...], expected: Expected, now: datetime) -> None:
    """Make sure that a certificate is what was asked for, and of use to a CA.

    Args:
        path: the certificate, then its issuers' up to the root.
        expected: what was asked for.
        now: the present.

    Raises:
        ReceivedRefused: with the first rule that it breaks.
    """
    certificate, issuer = path[0], path[1]
    if expected.issuer_sha256 not in (None, certificate_sha256(issuer)):
        raise ReceivedRefused(
            ReceivedRule.OF_OTHER_ISSUER,
            f"the issuer's certificate has the SHA-256 {certificate_sha256(issuer)}, "
            f"and the script expects {expected.issuer_sha256}",
        )
    if not is_issued_by(certificate, issuer):
        raise ReceivedRefused(
            ReceivedRule.OF_OTHER_ISSUER,
            f"it names another issuer than {issuer.subject.rfc4514_string()}, "
            "or is not signed by that one's key",
        )
    if spki_sha256(certificate.public_key()) != expected.public_key_sha256:
        raise ReceivedRefused(
            ReceivedRule.OF_OTHER_KEY,
            f"it is for another public key than that with SHA-256 {expected.public_key_sha256}",
        )
    if certificate.subject != expected.subject:
        raise ReceivedRefused(
            ReceivedRule.OF_OTHER_SUBJECT,
            f"it is for {certificate.subject.rfc4514_string()}, "
            f"and {expected.subject.rfc4514_string()} was requested",
        )
    _require_ca(certificate)
    for each in path:
        _require_valid(each, now)
    for each, above in pairwise(path):
        _require_strong(each, above)
    for words in objections(path):
        raise ReceivedRefused(ReceivedRule.PATH_WRONG, words)


def _require_ca(certificate: Certificate) -> None:
    """Make sure that it can issue, and that what it issues can name it.

    Raises:
        ReceivedRefused: `certificate-not-of-ca`.
    """
    ca = Issuer(certificate)
    if not ca.may_issue:
        raise ReceivedRefused(
            ReceivedRule.NOT_OF_CA,
            "it is no CA's, with basic constraints and the key usages keyCertSign and cRLSign",
        )
    try:
        _ = ca.subject, ca.key_identifier
    except CertificateRefused as refused:
        raise ReceivedRefused(ReceivedRule.NOT_OF_CA, refused.words) from None


def _require_valid(certificate: Certificate, now: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= now <= end:
        raise ReceivedRefused(
            ReceivedRule.NOT_VALID_NOW,
            f"that of {certificate.subject.rfc4514_string()} is valid from {begin:%Y-%m-%d %H:%M} "
            f"to {end:%Y-%m-%d %H:%M} UTC",
        )


def _require_strong(certificate: Certificate, issuer: Certificate) -> None:
    hashed = certificate.signature_hash_algorithm  # None: Ed25519 has one of its own
    if (hashed is not None and not isinstance(hashed, HASHES)) or kind_of(
        issuer.public_key()
    ) is None:
        raise ReceivedRefused(
            ReceivedRule.SIGNATURE_WEAK,
            f"that of {certificate.subject.rfc4514_string()} is not signed with SHA-256, SHA-384 "
            "or SHA-512, by a key of RSA of 2048 to 4096 bits, P-256, P-384, P-521 or Ed25519",
        )
