"""A CA's certificate and those above it: read, and whether each is issued and allowed by the next.

RFC 5280, 4.2.1.9 and 4.2.1.10; what relying parties will find when they build the same path.
"""

from collections.abc import Iterator
from itertools import pairwise

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificates

from tmsd.x509.building import Issuer
from tmsd.x509.constraints import require_permitted
from tmsd.x509.refusal import CertificateRefused
from tmsd.x509.requests import UNREADABLE

LARGEST_FILE = 256 * 1024
"""The most bytes of a file with a path in PEM."""


def read_path(content: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a file, in its order.

    Args:
        content: PEM, at most `LARGEST_FILE` bytes.

    Raises:
        ValueError: the text says what is wrong.
    """
    try:
        path = tuple(load_pem_x509_certificates(content))
    except UNREADABLE:
        raise ValueError("must hold certificates in PEM") from None
    for each in path:
        _require_readable(each)
    return path


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Say whether one certificate is signed by the key of another, and names it as its issuer."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def objections(path: tuple[Certificate, ...]) -> Iterator[str]:
    """Yield why nobody would accept a CA by this path.

    Args:
        path: its certificate, then its issuers' up to the root.
    """
    for certificate, issuer in pairwise(path):
        if not is_issued_by(certificate, issuer):
            yield "each certificate must be followed by its issuer's"
    allowed = Issuer(path[0], path[1:]).path_length
    if allowed is not None and allowed < 0:
        yield "there are more CAs in a row than one of them allows (RFC 5280, 4.2.1.9)"
    for number, certificate in enumerate(path):
        try:
            require_permitted(certificate, path[number + 1 :])
        except CertificateRefused as refused:
            yield f"a certificate has a name that those above do not allow: {refused.words}"


def _require_readable(certificate: Certificate) -> None:
    """Read what is otherwise read when it is looked for."""
    try:
        _ = certificate.extensions
    except UNREADABLE:
        raise ValueError("has extensions that cannot be read") from None
    try:
        certificate.public_key()
    except UNREADABLE:
        raise ValueError("has a public key that cannot be read") from None
