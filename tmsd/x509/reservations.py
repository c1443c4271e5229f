"""Keys and names that no certificate may have: of callers, of the CA itself, and blocked ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from tmsd.x509.names import folded, user_principal_name
from tmsd.x509.public_keys import spki_sha256
from tmsd.x509.refusal import CertificateRefused, Rule


@dataclass(frozen=True, slots=True)
class Reserved:
    """What is taken.

    Attributes:
        blocked_keys: which somebody else is known to have; each the SHA-256 of its
            SubjectPublicKeyInfo, 64 lower-case hex digits.
        caller_keys: by which callers of the API are known; spelled as above.
        caller_names: by which callers of the API are known, as the callers table has them.
    """

    blocked_keys: frozenset[str]
    caller_keys: frozenset[str]
    caller_names: frozenset[str]


def require_unreserved(
    certificate: x509.Certificate, issuer: x509.Certificate, reserved: Reserved
) -> None:
    """Make sure that a certificate takes nothing that is another's.

    Args:
        certificate: signed or on trial.
        issuer: the certificate of its CA.
        reserved: what is taken.

    Raises:
        CertificateRefused: `key-blocked`, `key-of-issuer`, `key-of-caller` or `name-of-caller`.
    """
    key = spki_sha256(certificate.public_key())
    if key in reserved.blocked_keys:
        raise CertificateRefused(
            Rule.KEY_BLOCKED, "the key is known to others, or was; make another"
        )
    if key == spki_sha256(issuer.public_key()):
        raise CertificateRefused(Rule.KEY_OF_ISSUER, "the key is the CA's own; make another")
    if key in reserved.caller_keys:
        raise CertificateRefused(
            Rule.KEY_OF_CALLER, "a caller of the API is known by this key; make another"
        )
    taken = {folded(name) for name in reserved.caller_names}
    for where, name in _names(certificate):
        if folded(name) in taken:
            raise CertificateRefused(
                Rule.NAME_OF_CALLER, f"a caller of the API has the name {name!r}, here in {where}"
            )


def _names(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """Yield each name of the holder, and where it stands."""
    for attribute in certificate.subject:
        yield attribute.rfc4514_attribute_name, str(attribute.value)
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            yield from (("an alternative name", _text(name)) for name in extension.value)


def _text(name: x509.GeneralName) -> str:
    if isinstance(name, x509.OtherName):
        return user_principal_name(name)
    return str(name.value)
