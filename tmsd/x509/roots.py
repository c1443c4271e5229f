"""Certificates of root CAs, which sign themselves (RFC 5280, 3.2)."""

from cryptography import x509

from tmsd.x509.building import Issuer, Terms, key_usage
from tmsd.x509.linting import lint
from tmsd.x509.profile import Holder, KeyUsage, Profile, Proof
from tmsd.x509.public_keys import KeyKind, PublicKey, accepted

_USAGES = (KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)
_KINDS = tuple(KeyKind)
_LONGEST = 36_525  # days


def root_builder(
    subject: x509.Name, key: PublicKey, terms: Terms, path_length: int | None
) -> x509.CertificateBuilder:
    """Return all of a root's certificate but its signature.

    Args:
        subject: of the CA, which is its issuer as well.
        key: of the CA.
        terms: serial number and validity.
        path_length: how many CAs may follow; None for any number.

    Raises:
        CertificateRefused: the key is weak.
    """
    identifier = x509.SubjectKeyIdentifier.from_public_key(accepted(key, _KINDS))
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return (
        x509.CertificateBuilder()
        .serial_number(terms.serial_number)
        .issuer_name(subject)
        .not_valid_before(terms.not_before)
        .not_valid_after(terms.not_after)
        .subject_name(subject)
        .public_key(key)
        .add_extension(authority, critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(key_usage(_USAGES), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    )


def lint_root(certificate: x509.Certificate, path_length: int | None) -> None:
    """Look a root's certificate over, signed or on trial, as `linting.lint` does others.

    Raises:
        CertificateRefused: with the first rule that it breaks.
    """
    lint(certificate, profile_of_cas(path_length), Issuer(certificate))


def profile_of_cas(path_length: int | None) -> Profile:
    """Return what any CA's certificate may say.

    Args:
        path_length: how many CAs may follow; None for any number.
    """
    return Profile(
        name="ca",
        holder=Holder.SUBORDINATE_CA,
        issue_by=(),
        days=_LONGEST,
        keys=_KINDS,
        proofs=(Proof.CSR,),
        unique_key=True,
        subject=(),
        alternative_names=(),
        key_usage=_USAGES,
        extended_key_usage=(),
        policies=(),
        path_length=path_length,
    )
