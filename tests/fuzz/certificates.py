"""What callers send for a certificate: a CSR, and the fields of a profile.

Of a CSR the input is what is signed (CertificationRequestInfo, RFC 2986, 4.1), so that what
stands behind the signature is reached; who holds a key can sign anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from ipaddress import ip_address

from asn1crypto import core
from asn1crypto.algos import SignedDigestAlgorithm
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.x509.issuing import SHIPPED, TERMS, fields_of, issuing, key_of, root, shipped
from tmsd.x509.building import Wanted, builder, wanted
from tmsd.x509.linting import lint, signed_for_trial
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import KeyKind, PublicKey
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.requests import parse
from tmsd.x509.templates import is_plain

_BY_PARSER = (
    *(rule for rule in Rule if rule.startswith("csr-")),
    Rule.KEY_KIND_NOT_ALLOWED,
)
# What only the finished certificate shows of a request.
_BY_LINT = (Rule.CERTIFICATE_TOO_LARGE, Rule.SUBJECT_MISSING, Rule.SERVER_NAME_MISSING)


class _Signed(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [  # noqa: RUF012  as asn1crypto wants it
        ("info", core.Any),
        ("algorithm", SignedDigestAlgorithm),
        ("signature", core.OctetBitString),
    ]


@cache
def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def requests() -> Iterator[bytes]:
    """Yield what is signed of some requests, and what is no request at all."""
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, "Zoë Example"),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, "0123"),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "zoe@example.com"),
    ]
    alternative = x509.SubjectAlternativeName(
        [
            x509.DNSName("www.example"),
            x509.RFC822Name("zoe@example.com"),
            x509.UniformResourceIdentifier("https://example.com/"),
            x509.IPAddress(ip_address("192.0.2.1")),
            x509.OtherName(
                x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), core.UTF8String("a@b").dump()
            ),
            x509.DirectoryName(x509.Name(names)),
        ]
    )
    plain = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    constrained = x509.BasicConstraints(ca=True, path_length=None)
    for built in (
        plain,
        plain.add_extension(alternative, critical=False),
        plain.add_extension(constrained, critical=True),
    ):
        request = built.sign(_key(), None)
        yield request.tbs_certrequest_bytes
        yield request.public_bytes(Encoding.PEM)


def request(data: bytes) -> None:
    """A CSR is refused by a rule, or gives fields that come to a certificate or are refused."""
    try:
        asked = parse(_signed(data))
    except CertificateRefused as refused:
        if refused.rule not in _BY_PARSER:
            raise
        return
    profile = shipped("device")
    known = {name: values for name, values in asked.fields.items() if name in profile.fields}
    _issue(profile, asked.public_key, known)


def _signed(data: bytes) -> bytes:
    try:
        info = core.Any.load(data, strict=True)
    except (ValueError, TypeError):
        return data
    algorithm = SignedDigestAlgorithm({"algorithm": "ed25519"})
    whole = _Signed({"info": info, "algorithm": algorithm, "signature": _key().sign(data)})
    return bytes(whole.dump())


def field_values() -> Iterator[bytes]:
    """Yield what each shipped profile takes: its number, and lines of `field=value`."""
    for number, name in enumerate(SHIPPED):
        given = fields_of(shipped(name))
        lines = [f"{field}={value}" for field, values in given.items() for value in values]
        yield bytes([number]) + "\n".join(lines).encode()


def fields(data: bytes) -> None:
    """Fields come to a certificate that breaks no rule, or are refused."""
    if not data:
        return
    profile = shipped(SHIPPED[data[0] % len(SHIPPED)])
    given: dict[str, list[str]] = {}
    for line in data[1:].decode(errors="surrogateescape").split("\n"):
        name, _, value = line.partition("=")
        given.setdefault(name, []).append(value)
    _issue(profile, key_of(KeyKind.P_256).public_key(), given)


def _issue(profile: Profile, key: object, given: Mapping[str, Sequence[str]]) -> None:
    assert isinstance(key, PublicKey)
    ca = root() if profile.is_ca else issuing()
    try:
        asked = wanted(profile, key, given)
        built = builder(ca.issuer, asked, TERMS)
    except CertificateRefused:
        return
    certificate = signed_for_trial(built, ca.key.public_key(), ca.scheme)
    try:
        lint(certificate, profile, ca.issuer)
    except CertificateRefused as refused:
        if refused.rule not in _BY_LINT:
            raise
        return
    _require_nothing_else(certificate, asked)


def _require_nothing_else(certificate: x509.Certificate, asked: Wanted) -> None:
    """Every name in a certificate is plain text that was asked for, or that the profile has."""
    texts = {template.text for _, template in asked.profile.subject}
    texts.update(value for values in asked.fields.values() for value in values)
    for attribute in certificate.subject:
        assert isinstance(attribute.value, str)
        assert is_plain(attribute.value)
        assert attribute.value in texts
