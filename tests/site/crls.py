"""Certificate revocation lists (RFC 5280, section 5) of a site's CAs, good and bad."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.site.identities import Credentials
from tmsd.quickstart.certificates import Identity

HOUR = timedelta(hours=1)


def crl_builder(
    authority: Identity,
    revoked: Iterable[x509.Certificate] = (),
    *,
    since: timedelta = -HOUR,
    until: timedelta = 24 * HOUR,
) -> x509.CertificateRevocationListBuilder:
    """Return a CRL before it is signed.

    Args:
        authority: whose it is.
        revoked: certificates that it revokes.
        since: its thisUpdate, from now.
        until: its nextUpdate, from now.
    """
    now = datetime.now(UTC)
    entries = [
        x509.RevokedCertificateBuilder(certificate.serial_number, now).build()
        for certificate in revoked
    ]
    return x509.CertificateRevocationListBuilder(
        authority.certificate.subject, now + since, now + until, revoked_certificates=entries
    )


def crl(
    authority: Identity,
    revoked: Iterable[x509.Certificate] = (),
    *,
    since: timedelta = -HOUR,
    until: timedelta = 24 * HOUR,
) -> bytes:
    """Return a CRL in PEM; as `crl_builder` has it."""
    return signed(crl_builder(authority, revoked, since=since, until=until), authority)


def signed(builder: x509.CertificateRevocationListBuilder, by: Identity) -> bytes:
    """Sign a CRL, and return it in PEM."""
    return builder.sign(by.private_key, SHA256()).public_bytes(Encoding.PEM)


def read_identity(files: Credentials) -> Identity:
    """Return the identity that files hold."""
    key = load_pem_private_key(files.private_key.read_bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return Identity(key, x509.load_pem_x509_certificate(files.certificate.read_bytes()))
