"""Building certificates: what profile, issuer and request come to (RFC 5280, section 4)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID

from tmsd.x509.names import alternative_name, attribute
from tmsd.x509.profile import Holder, KeyUsage, Profile
from tmsd.x509.public_keys import PublicKey, accepted, kind_of
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.templates import Fields, require_plain

# Clocks of relying parties may be behind.
BACKDATED = timedelta(minutes=5)

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA as what it issues shows it.

    Attributes:
        certificate: of the CA.
        above: the certificates of its issuers, up to the root; without them its own counts alone.
        crl_url: where its CRL is.
        ocsp_url: where its responder is.
        certificate_url: where its certificate is.
    """

    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()
    crl_url: str | None = None
    ocsp_url: str | None = None
    certificate_url: str | None = None

    @property
    def subject(self) -> x509.Name:
        """Its name, which will be written as it is read (4.1.2.4).

        Raises:
            CertificateRefused: `subject-differs`.
        """
        try:
            subject = self.certificate.subject
            is_kept = subject.public_bytes() in self.certificate.tbs_certificate_bytes
        except ValueError:  # an older string type
            is_kept = False
        if not is_kept:
            raise CertificateRefused(
                Rule.SUBJECT_DIFFERS, "the CA's subject is in an encoding that is not written here"
            )
        return subject

    @property
    def key_identifier(self) -> x509.SubjectKeyIdentifier:
        """The subject key identifier of its certificate.

        Raises:
            CertificateRefused: `issuer-not-ca`: it has none, which every CA has (4.2.1.2).
        """
        try:
            found = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            raise CertificateRefused(
                Rule.ISSUER_NOT_CA, "the CA's certificate has no subject key identifier"
            ) from None
        return found.value

    @property
    def may_issue(self) -> bool:
        """Whether its certificate is for a CA that signs certificates and CRLs."""
        extensions = self.certificate.extensions
        try:
            constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
            usage = extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return False
        return constraints.ca and usage.key_cert_sign and usage.crl_sign

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """Its certificate, and those above it."""
        return (self.certificate, *self.above)

    @property
    def path_length(self) -> int | None:
        """How many CAs may follow, by it and all above it; None for any number (4.2.1.9).

        It is negative where there are too many already. A CA that changes its key does not count.
        """
        allowed = None
        between = 0
        for each in self.path:
            own = _path_length(each)
            if own is not None:
                allowed = own - between if allowed is None else min(allowed, own - between)
            between += each.subject != each.issuer
        return allowed


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate as it is asked for: by which profile, for which key, with which fields."""

    profile: Profile
    public_key: PublicKey
    fields: Fields


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate calls its holder; one of the two may be empty."""

    subject: x509.Name
    alternative: tuple[x509.GeneralName, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What each certificate has of its own.

    Attributes:
        serial_number: 128 random bits.
        not_before: the first second of its validity.
        not_after: the last one.
    """

    serial_number: int
    not_before: datetime
    not_after: datetime


def _path_length(ca: x509.Certificate) -> int | None:
    try:
        return ca.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:  # an old root
        return None


def wanted(profile: Profile, key: PublicKeyTypes, fields: Fields) -> Wanted:
    """Return what is asked for, if the profile allows the key and knows the fields.

    Raises:
        CertificateRefused: it does not.
    """
    for name in fields:
        if name not in profile.fields:
            known = ", ".join(sorted(profile.fields)) or "none"
            raise CertificateRefused(
                Rule.FIELD_UNKNOWN, f"profile {profile.name} has the fields {known}", name
            )
    require_plain(fields)
    return Wanted(profile, accepted(key, profile.keys), fields)


def validity(
    profile: Profile, issuer: Issuer, now: datetime, days: int | None = None
) -> tuple[datetime, datetime]:
    """Return the first and the last second of a certificate that is issued now.

    Args:
        profile: bounds it.
        issuer: whose own end bounds it as well.
        now: the present.
        days: what was asked for; None for as much as there is.

    Raises:
        CertificateRefused: `validity-too-short`, `validity-too-long` or
            `validity-beyond-issuer`.
    """
    if days is not None and days < 1:
        raise CertificateRefused(
            Rule.VALIDITY_TOO_SHORT, "a certificate is valid for a day at least", "days"
        )
    if days is not None and days > profile.days:
        raise CertificateRefused(
            Rule.VALIDITY_TOO_LONG, f"profile {profile.name} allows {profile.days} days", "days"
        )
    begins = issuer.certificate.not_valid_before_utc
    ends = issuer.certificate.not_valid_after_utc
    now = now.replace(microsecond=0)
    if not begins <= now < ends:
        raise CertificateRefused(
            Rule.VALIDITY_BEYOND_ISSUER, "the CA's certificate is not valid now"
        )
    not_before = max(now - BACKDATED, begins)
    # Both seconds belong to the validity (4.1.2.5).
    not_after = not_before + timedelta(days=days or profile.days) - _SECOND
    if days is not None and not_after > ends:
        raise CertificateRefused(
            Rule.VALIDITY_BEYOND_ISSUER, f"the CA's certificate ends {ends:%Y-%m-%d}", "days"
        )
    return not_before, min(not_after, ends)


def builder(issuer: Issuer, asked: Wanted, terms: Terms) -> x509.CertificateBuilder:
    """Return all of a certificate but its signature; the same arguments give the same bytes.

    Raises:
        CertificateRefused: a field does not fit where the profile puts it.
    """
    # Two templates may come to one alternative name.
    names = Names(x509.Name(_subject(asked)), tuple(dict.fromkeys(_alternative_names(asked))))
    return assembled(issuer, asked.profile, asked.public_key, names, terms)


def assembled(
    issuer: Issuer, profile: Profile, key: PublicKey, names: Names, terms: Terms
) -> x509.CertificateBuilder:
    """Return all of a certificate but its signature, for names that are known already.

    Raises:
        CertificateRefused: `issuer-not-ca` or `subject-differs`.
    """
    built = (
        x509.CertificateBuilder()
        .serial_number(terms.serial_number)
        .issuer_name(issuer.subject)
        .not_valid_before(terms.not_before)
        .not_valid_after(terms.not_after)
        .subject_name(names.subject)
        .public_key(key)
        .add_extension(authority_key_identifier(issuer), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(key_usage(usages_of(profile, key)), critical=True)
    )
    if profile.policies:
        built = built.add_extension(certificate_policies(profile), critical=False)
    if names.alternative:
        # 4.2.1.6: critical where the subject is empty.
        alternative = x509.SubjectAlternativeName(names.alternative)
        built = built.add_extension(alternative, critical=not list(names.subject))
    built = built.add_extension(basic_constraints(profile), critical=True)
    if profile.extended_key_usage:
        built = built.add_extension(extended_key_usage(profile), critical=False)
    for pointer in revocation_pointers(profile, issuer):
        built = built.add_extension(pointer, critical=False)
    return built


def _subject(asked: Wanted) -> Iterator[x509.NameAttribute[str]]:
    for kind, template in asked.profile.subject:
        for number, value in enumerate(template.filled(asked.fields)):
            with _at(template.fields):
                if number > 0 and not kind.repeats:
                    raise CertificateRefused(Rule.FIELD_NOT_SINGLE, f"a subject has one {kind}")
                yield attribute(kind, value)


def _alternative_names(asked: Wanted) -> Iterator[x509.GeneralName]:
    for kind, template in asked.profile.alternative_names:
        for value in template.filled(asked.fields):
            with _at(template.fields):
                yield alternative_name(kind, value)


@contextmanager
def _at(fields: tuple[str, ...]) -> Iterator[None]:
    """Let a refusal of a value name the field that it came from."""
    try:
        yield
    except CertificateRefused as refused:
        refused.field = refused.field or (fields[0] if fields else None)
        raise


def usages_of(profile: Profile, key: PublicKeyTypes) -> tuple[KeyUsage, ...]:
    """Return those of a profile's usages that a key has."""
    kind = kind_of(key)
    return profile.usages_of(kind) if kind else ()


def key_usage(granted: Sequence[KeyUsage]) -> x509.KeyUsage:
    """Return the extension that grants these usages and no other."""
    return x509.KeyUsage(
        **{usage.value: usage in granted for usage in KeyUsage},
        encipher_only=False,
        decipher_only=False,
    )


def authority_key_identifier(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    """Return the extension that tells an issuer's key by its identifier."""
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier)


def certificate_policies(profile: Profile) -> x509.CertificatePolicies:
    """Return the extension of a profile's policies, without qualifiers."""
    return x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in profile.policies]
    )


def basic_constraints(profile: Profile) -> x509.BasicConstraints:
    """Return the extension that makes a CA, or no CA."""
    return x509.BasicConstraints(ca=profile.is_ca, path_length=profile.path_length)


def extended_key_usage(profile: Profile) -> x509.ExtendedKeyUsage:
    """Return the extension of a profile's purposes."""
    return x509.ExtendedKeyUsage([purpose.oid for purpose in profile.extended_key_usage])


def revocation_pointers(profile: Profile, issuer: Issuer) -> Iterator[x509.ExtensionType]:
    """Yield what tells relying parties where to ask, or not to."""
    if profile.holder is Holder.OCSP_RESPONDER:
        # RFC 6960, 4.2.2.2.1: for the short life of its certificate it is not asked about.
        yield x509.OCSPNoCheck()
        return
    if issuer.crl_url is not None:
        place = [x509.UniformResourceIdentifier(issuer.crl_url)]
        yield x509.CRLDistributionPoints(
            [
                x509.DistributionPoint(
                    full_name=place, relative_name=None, reasons=None, crl_issuer=None
                )
            ]
        )
    if access := list(_access_descriptions(issuer)):
        yield x509.AuthorityInformationAccess(access)


def _access_descriptions(issuer: Issuer) -> Iterator[x509.AccessDescription]:
    for method, url in (
        (AuthorityInformationAccessOID.OCSP, issuer.ocsp_url),
        (AuthorityInformationAccessOID.CA_ISSUERS, issuer.certificate_url),
    ):
        if url is not None:
            yield x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
