"""What minutes, and officers before they approve it, are told of a certificate."""

from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from tmsd.ceremony.step import Facts
from tmsd.quorum.words import words
from tmsd.x509.public_keys import spki_sha256


def certificate_facts(certificate: Certificate) -> Facts:
    """Return what is told of a certificate."""
    digest = certificate_sha256(certificate)
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial_number": f"{certificate.serial_number:032x}",
        "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC",
        "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC",
        "public_key_sha256": spki_sha256(certificate.public_key()),
        "certificate_sha256": digest,
        "certificate_read_aloud": words(bytes.fromhex(digest)),
    }


def certificate_sha256(certificate: Certificate) -> str:
    """Return the SHA-256 of a certificate in DER, 64 lower-case hex digits."""
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
