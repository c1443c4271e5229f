"""Subjects and alternative names: what may stand in one, and how (RFC 5280, 4.1.2.6, 4.2.1.6)."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

import idna
from asn1crypto.core import UTF8String
from cryptography import x509
from cryptography.x509.oid import NameOID

from tmsd.x509.refusal import CertificateRefused, Rule

# Microsoft's userPrincipalName, an otherName with a UTF8String.
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")

_LONGEST_DNS_NAME = 253
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# The dot-atom of RFC 5322, 3.2.3, in the length of RFC 5321, 4.5.3.1.1.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LONGEST_LOCAL_PART = 64
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_URI_CHARACTERS = re.compile(r"([A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_URN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]:.+")
# X.680, 41.4.
_PRINTABLE_STRING = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")


class AttributeType(StrEnum):
    """An attribute of a subject, as profiles name it (RFC 4519)."""

    COUNTRY = "C"
    STATE = "ST"
    LOCALITY = "L"
    ORGANIZATION = "O"
    ORGANIZATION_IDENTIFIER = "organizationIdentifier"
    ORGANIZATIONAL_UNIT = "OU"
    DOMAIN_COMPONENT = "DC"
    COMMON_NAME = "CN"
    GIVEN_NAME = "givenName"
    SURNAME = "SN"
    SERIAL_NUMBER = "serialNumber"
    USER_ID = "UID"

    @property
    def oid(self) -> x509.ObjectIdentifier:
        """The attribute type's object identifier."""
        return _ATTRIBUTES[self][0]

    @property
    def longest(self) -> int:
        """The most bytes of UTF-8 that it has.

        RFC 5280, appendix A.1, allows as many characters or more; cryptography counts bytes.
        """
        return _ATTRIBUTES[self][1]

    @property
    def repeats(self) -> bool:
        """Whether a name may have several of it."""
        return self in (AttributeType.ORGANIZATIONAL_UNIT, AttributeType.DOMAIN_COMPONENT)


_ATTRIBUTES = {
    AttributeType.COUNTRY: (NameOID.COUNTRY_NAME, 2),
    AttributeType.STATE: (NameOID.STATE_OR_PROVINCE_NAME, 128),
    AttributeType.LOCALITY: (NameOID.LOCALITY_NAME, 128),
    AttributeType.ORGANIZATION: (NameOID.ORGANIZATION_NAME, 64),
    AttributeType.ORGANIZATION_IDENTIFIER: (NameOID.ORGANIZATION_IDENTIFIER, 64),
    AttributeType.ORGANIZATIONAL_UNIT: (NameOID.ORGANIZATIONAL_UNIT_NAME, 64),
    AttributeType.DOMAIN_COMPONENT: (NameOID.DOMAIN_COMPONENT, 63),
    AttributeType.COMMON_NAME: (NameOID.COMMON_NAME, 64),
    AttributeType.GIVEN_NAME: (NameOID.GIVEN_NAME, 64),
    AttributeType.SURNAME: (NameOID.SURNAME, 64),
    AttributeType.SERIAL_NUMBER: (NameOID.SERIAL_NUMBER, 64),
    AttributeType.USER_ID: (NameOID.USER_ID, 64),
}


class AlternativeName(StrEnum):
    """A kind of subject alternative name, as profiles name it."""

    DNS = "dns"
    EMAIL = "email"
    URI = "uri"
    IP = "ip"
    UPN = "upn"


def attribute(kind: AttributeType, value: str) -> x509.NameAttribute[str]:
    """Return an attribute of a subject.

    Raises:
        CertificateRefused: `field-too-long`, `country-malformed`, `domain-component-malformed`
            or `field-not-printable-string`.
    """
    if kind is AttributeType.COUNTRY and not re.fullmatch(r"[A-Z]{2}", value):
        raise CertificateRefused(
            Rule.COUNTRY_MALFORMED, "C must be two upper-case letters (ISO 3166)"
        )
    if len(value.encode()) > kind.longest:
        raise CertificateRefused(
            Rule.FIELD_TOO_LONG, f"{kind} has at most {kind.longest} bytes in UTF-8"
        )
    if kind is AttributeType.DOMAIN_COMPONENT and not _LABEL.fullmatch(value):
        raise CertificateRefused(
            Rule.DOMAIN_COMPONENT_MALFORMED,
            "DC is one label of a DNS name: letters, digits and inner hyphens (RFC 4519, 2.4)",
        )
    if kind is AttributeType.SERIAL_NUMBER and not _PRINTABLE_STRING.fullmatch(value):
        raise CertificateRefused(
            Rule.FIELD_NOT_PRINTABLE_STRING,
            "serialNumber has letters and digits of ASCII, spaces and ' ( ) + , - . / : = ?",
        )
    return x509.NameAttribute(kind.oid, value)


def alternative_name(kind: AlternativeName, value: str) -> x509.GeneralName:
    """Return an alternative name.

    Raises:
        CertificateRefused: the rule says what its form breaks.
    """
    return _ALTERNATIVE_NAMES[kind](value)


def kind_and_value(name: x509.GeneralName) -> tuple[str, str]:
    """Return what an alternative name says, and its kind as profiles name it.

    Other kinds have the name of their class, or the object identifier of their type.

    Raises:
        ValueError: it is a user principal name, and no text.
    """
    if not isinstance(name, x509.OtherName):
        kind = type(name)
        return _KINDS.get(kind, kind.__name__), str(name.value)
    if name.type_id == UPN:
        return AlternativeName.UPN, user_principal_name(name)
    return name.type_id.dotted_string, name.value.hex()


def folded(value: str) -> str:
    """Return what names have in common that readers or programs take for the same."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def user_principal_name(name: x509.OtherName) -> str:
    """Return the text of an alternative name of the type `UPN`.

    Raises:
        ValueError: it is no text.
    """
    return str(UTF8String.load(name.value, strict=True).native)


def _dns_name(value: str) -> str:
    """Check a host name in the preferred form (RFC 5280, 4.2.1.6; RFC 5890 for IDNs)."""
    if "*" in value:
        raise CertificateRefused(
            Rule.DNS_NAME_IS_WILDCARD, "a name stands for one host; wildcards are not certified"
        )
    if not value.isascii():
        raise CertificateRefused(
            Rule.DNS_NAME_NOT_A_LABELS, "write an internationalised name in A-labels (xn--…)"
        )
    labels = value.split(".")
    if len(value) > _LONGEST_DNS_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise CertificateRefused(
            Rule.DNS_NAME_MALFORMED,
            "a DNS name is labels of letters, digits and inner hyphens, joined by dots",
        )
    if labels[-1].isdigit():
        raise CertificateRefused(
            Rule.DNS_NAME_MALFORMED, "a DNS name does not end in a number: is it an IP address?"
        )
    for label in labels:
        if label[2:4] == "--" and not _is_a_label(label):
            raise CertificateRefused(
                Rule.DNS_NAME_NOT_A_LABELS,
                "a label has -- in its third and fourth place as an A-label alone (IDNA 2008)",
            )
    return value.lower()


def _is_a_label(label: str) -> bool:
    try:
        return idna.encode(idna.decode(label)).decode() == label.lower()
    except UnicodeError:
        return False


def _email(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at or len(local) > _LONGEST_LOCAL_PART or not _LOCAL_PART.fullmatch(local):
        raise CertificateRefused(
            Rule.EMAIL_MALFORMED, "an e-mail address is local-part@domain in ASCII (RFC 5321)"
        )
    return f"{local}@{_dns_name(domain)}"


def _uri(value: str) -> str:
    """Check a URI: a scheme, and an authority or a URN's namespace (RFC 3986, RFC 8141)."""
    scheme, colon, rest = value.partition(":")
    if not (colon and _SCHEME.fullmatch(scheme) and _URI_CHARACTERS.fullmatch(value)):
        raise _not_a_uri()
    if scheme.lower() == "urn":
        if not _URN.fullmatch(rest):
            raise _not_a_uri()
        return value
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise _not_a_uri() from None
    if not host or parts.username is not None:
        raise _not_a_uri()
    if not _is_ip_address(host):
        _dns_name(host)
    return value


def _not_a_uri() -> CertificateRefused:
    return CertificateRefused(
        Rule.URI_MALFORMED, "a URI is scheme://host/… without a user, or urn:namespace:…"
    )


def _is_ip_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _ip(value: str) -> x509.IPAddress:
    if "%" in value or not _is_ip_address(value):
        raise CertificateRefused(
            Rule.IP_ADDRESS_MALFORMED, "an address is IPv4 or IPv6, without a prefix or a zone"
        )
    return x509.IPAddress(ip_address(value))


def _upn(value: str) -> x509.OtherName:
    user, at, domain = value.rpartition("@")
    if not at or not user or "@" in user:
        raise CertificateRefused(Rule.UPN_MALFORMED, "a user principal name is user@domain")
    return x509.OtherName(UPN, UTF8String(f"{user}@{_dns_name(domain)}").dump())


_KINDS: Mapping[type[x509.GeneralName], AlternativeName] = {
    x509.DNSName: AlternativeName.DNS,
    x509.RFC822Name: AlternativeName.EMAIL,
    x509.UniformResourceIdentifier: AlternativeName.URI,
    x509.IPAddress: AlternativeName.IP,
}
_ALTERNATIVE_NAMES: Mapping[AlternativeName, Callable[[str], x509.GeneralName]] = {
    AlternativeName.DNS: lambda value: x509.DNSName(_dns_name(value)),
    AlternativeName.EMAIL: lambda value: x509.RFC822Name(_email(value)),
    AlternativeName.URI: lambda value: x509.UniformResourceIdentifier(_uri(value)),
    AlternativeName.IP: _ip,
    AlternativeName.UPN: _upn,
}
