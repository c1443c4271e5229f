"""Looking over a certificate before its CA signs it: signed by a key that signs nothing else.

A mistake in building is found here, and not by relying parties. The rules are those of RFC 5280,
section 4, and look at the encoded certificate, not at what it was built from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from tmsd.x509 import building
from tmsd.x509.building import Issuer
from tmsd.x509.constraints import require_permitted
from tmsd.x509.profile import ExtendedKeyUsage, KeyUsage, Profile
from tmsd.x509.public_keys import PublicKey, kind_of
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.signature import SignatureScheme

MAX_CERTIFICATE = 8 * 1024
"""The longest certificate, in bytes of DER."""

# What the CA's signature is longer than the throw-away key's, and all around it, fits in between.
_MAX_SIGNED = MAX_CERTIFICATE - 1024

# CA/Browser Forum's baseline requirements, 7.1, ask for 64 random bits; ours have 128. A shorter
# one than this comes once in 2^33.
_SERIAL_BITS = range(96, 129)

_SIGN_FOR_OTHERS = frozenset({KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN})

E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked over: a certificate with its extensions, and what it should come to."""

    certificate: x509.Certificate
    extensions: Mapping[type, x509.Extension[x509.ExtensionType]]
    profile: Profile
    issuer: Issuer

    def find(self, kind: type[E]) -> E | None:
        """Return the certificate's extension of a kind."""
        found = self.extensions.get(kind)
        return found.value if found and isinstance(found.value, kind) else None

    def has(self, value: x509.ExtensionType, *, critical: bool) -> bool:
        """Say whether the certificate has exactly this extension."""
        found = self.extensions.get(type(value))
        return found is not None and found.value == value and found.critical is critical

    def has_none_but(self, values: Sequence[x509.ExtensionType], of: frozenset[type]) -> bool:
        """Say whether the certificate has these extensions, not critical, and no other of `of`."""
        return all(self.has(value, critical=False) for value in values) and {
            type(value) for value in values
        } == of.intersection(self.extensions)


def signed_for_trial(
    built: x509.CertificateBuilder, issuer_key: PublicKey, scheme: SignatureScheme
) -> x509.Certificate:
    """Return the certificate as a throw-away key of the kind of the issuer's signs it."""
    return scheme.sign_certificate(built, _throwaway_key(type(issuer_key)))


def lint(certificate: x509.Certificate, profile: Profile, issuer: Issuer) -> None:
    """Look a certificate over.

    Raises:
        CertificateRefused: with the first rule that it breaks.
    """
    extensions = {type(each.value): each for each in certificate.extensions}
    looked = Looked(certificate, extensions, profile, issuer)
    for rule, is_kept, words in _RULES:
        if not is_kept(looked):
            raise CertificateRefused(rule, words)
    require_permitted(certificate, issuer.path)


def require_same(trial: x509.Certificate, final: x509.Certificate) -> None:
    """Make sure that what was signed is what was looked over, byte for byte.

    Raises:
        CertificateRefused: `certificate-differs`.
    """
    if trial.tbs_certificate_bytes != final.tbs_certificate_bytes:
        raise CertificateRefused(
            Rule.CERTIFICATE_DIFFERS, "it is not the certificate that was looked over"
        )


@cache
def _throwaway_key(kind: type[PublicKey]) -> CertificateIssuerPrivateKeyTypes:
    """Make a key that lives and dies with this process; the signed part does not depend on it."""
    if issubclass(kind, rsa.RSAPublicKey):
        return rsa.generate_private_key(65537, 2048)
    if issubclass(kind, ec.EllipticCurvePublicKey):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def _is_short(looked: Looked) -> bool:
    return len(looked.certificate.tbs_certificate_bytes) <= _MAX_SIGNED


def _has_long_serial_number(looked: Looked) -> bool:
    return looked.certificate.serial_number.bit_length() in _SERIAL_BITS


def _names_its_issuer(looked: Looked) -> bool:
    """Say whether it writes its issuer's name as the issuer's certificate does (4.1.2.4)."""
    return looked.certificate.issuer.public_bytes() == looked.issuer.subject.public_bytes()


def _is_issued_by_a_ca(looked: Looked) -> bool:
    return looked.issuer.may_issue


def _keeps_to_the_path(looked: Looked) -> bool:
    """Say whether as few CAs follow a CA as its issuer allows (4.2.1.9).

    A CA that changes its key does not follow itself.
    """
    constraints = looked.find(x509.BasicConstraints)
    allowed = looked.issuer.path_length
    if constraints is None or not constraints.ca or allowed is None:
        return True
    if looked.certificate.subject != looked.certificate.issuer:
        allowed -= 1
    own = constraints.path_length
    return own is not None and own <= allowed


def _lives_within_its_issuer(looked: Looked) -> bool:
    certificate, issuer = looked.certificate, looked.issuer.certificate
    return (
        issuer.not_valid_before_utc
        <= certificate.not_valid_before_utc
        < certificate.not_valid_after_utc
        <= issuer.not_valid_after_utc
    )


def _lives_no_longer_than_allowed(looked: Looked) -> bool:
    certificate = looked.certificate
    lives = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return lives < timedelta(days=looked.profile.days)


def _has_an_allowed_key(looked: Looked) -> bool:
    return kind_of(looked.certificate.public_key()) in looked.profile.keys


def _has_key_identifiers(looked: Looked) -> bool:
    own = x509.SubjectKeyIdentifier.from_public_key(looked.certificate.public_key())
    return looked.has(own, critical=False) and looked.has(
        building.authority_key_identifier(looked.issuer), critical=False
    )


def _has_basic_constraints(looked: Looked) -> bool:
    return looked.has(building.basic_constraints(looked.profile), critical=True)


def _has_key_usage(looked: Looked) -> bool:
    """Say whether usages are the profile's, are the key's, and sign for others in CAs alone."""
    granted = building.usages_of(looked.profile, looked.certificate.public_key())
    return (
        bool(granted)
        and bool(_SIGN_FOR_OTHERS.intersection(granted)) == looked.profile.is_ca
        and looked.has(building.key_usage(granted), critical=True)
    )


def _has_extended_key_usage(looked: Looked) -> bool:
    if not looked.profile.extended_key_usage:
        return looked.find(x509.ExtendedKeyUsage) is None
    return looked.has(building.extended_key_usage(looked.profile), critical=False)


def _has_policies(looked: Looked) -> bool:
    if not looked.profile.policies:
        return looked.find(x509.CertificatePolicies) is None
    return looked.has(building.certificate_policies(looked.profile), critical=False)


def _names_somebody(looked: Looked) -> bool:
    """Say whether there is a subject, or critical alternative names; a CA has one (4.1.2.6)."""
    if list(looked.certificate.subject):
        return True
    names = looked.find(x509.SubjectAlternativeName)
    return not looked.profile.is_ca and names is not None and looked.has(names, critical=True)


def _names_its_server(looked: Looked) -> bool:
    """Say whether a TLS server is known by alternative names, and called by one (RFC 9525, 2)."""
    if ExtendedKeyUsage.SERVER_AUTH not in looked.profile.extended_key_usage:
        return True
    alternative = looked.find(x509.SubjectAlternativeName)
    if alternative is None:
        return False
    names = {
        *alternative.get_values_for_type(x509.DNSName),
        *map(str, alternative.get_values_for_type(x509.IPAddress)),
    }
    called = looked.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return bool(names) and names.issuperset(each.value for each in called)


def _can_be_revoked(looked: Looked) -> bool:
    """Say whether relying parties are told where to ask; a responder's certificate tells not to."""
    return looked.has_none_but(
        list(building.revocation_pointers(looked.profile, looked.issuer)), _POINTERS
    )


def _has_nothing_else(looked: Looked) -> bool:
    return _EXPECTED.issuperset(looked.extensions)


_POINTERS: frozenset[type] = frozenset(
    {x509.CRLDistributionPoints, x509.AuthorityInformationAccess, x509.OCSPNoCheck}
)
_EXPECTED = _POINTERS | {
    x509.AuthorityKeyIdentifier,
    x509.SubjectKeyIdentifier,
    x509.KeyUsage,
    x509.CertificatePolicies,
    x509.SubjectAlternativeName,
    x509.BasicConstraints,
    x509.ExtendedKeyUsage,
}

_RULES: tuple[tuple[Rule, Callable[[Looked], bool], str], ...] = (
    (Rule.CERTIFICATE_TOO_LARGE, _is_short, f"it has more than {_MAX_SIGNED} bytes to sign"),
    (Rule.SERIAL_NUMBER_SHORT, _has_long_serial_number, "its serial number is not 128 random bits"),
    (Rule.ISSUER_DIFFERS, _names_its_issuer, "its issuer is not the subject of the CA"),
    (Rule.ISSUER_NOT_CA, _is_issued_by_a_ca, "its issuer may not sign certificates and CRLs"),
    (Rule.PATH_TOO_LONG, _keeps_to_the_path, "its issuer allows no such path length"),
    (Rule.VALIDITY_BEYOND_ISSUER, _lives_within_its_issuer, "it outlives its issuer"),
    (Rule.VALIDITY_TOO_LONG, _lives_no_longer_than_allowed, "it outlives what its profile allows"),
    (Rule.KEY_KIND_NOT_ALLOWED, _has_an_allowed_key, "its key is of a kind that is not allowed"),
    (Rule.KEY_IDENTIFIERS_WRONG, _has_key_identifiers, "its key identifiers are not the keys'"),
    (Rule.BASIC_CONSTRAINTS_WRONG, _has_basic_constraints, "it says wrongly whether it is a CA's"),
    (Rule.KEY_USAGE_WRONG, _has_key_usage, "its key usage does not fit the profile and the key"),
    (Rule.EXTENDED_KEY_USAGE_WRONG, _has_extended_key_usage, "its purposes are not the profile's"),
    (Rule.POLICIES_WRONG, _has_policies, "its policies are not the profile's"),
    (Rule.SUBJECT_MISSING, _names_somebody, "it names nobody"),
    (
        Rule.SERVER_NAME_MISSING,
        _names_its_server,
        "a TLS server has a dns or ip name at least, and its CN is one of them",
    ),
    (Rule.REVOCATION_POINTERS_WRONG, _can_be_revoked, "it does not say where its status is told"),
    (Rule.EXTENSION_NOT_EXPECTED, _has_nothing_else, "it has an extension that no profile makes"),
)
