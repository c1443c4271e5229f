"""Certificates of root CAs, which sign themselves (RFC 5280, 3.2)."""

from cryptography import x509

from tmsd.x509.building import Terms, key_usage
from tmsd.x509.profile import KeyUsage
from tmsd.x509.public_keys import PublicKey

_USAGE = (KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)


def root_builder(
    subject: x509.Name, key: PublicKey, terms: Terms, path_length: int | None
) -> x509.CertificateBuilder:
    """Return all of a root's certificate but its signature.

    Args:
        subject: of the CA, which is its issuer as well.
        key: of the CA.
        terms: serial number and validity.
        path_length: how many CAs may follow; None for any number.
    """
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return (
        x509.CertificateBuilder()
        .serial_number(terms.serial_number)
        .issuer_name(subject)
        .not_valid_before(terms.not_before)
        .not_valid_after(terms.not_after)
        .subject_name(subject)
        .public_key(key)
        .add_extension(identifier, critical=False)
        .add_extension(key_usage(_USAGE), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    )
