"""Certificate signing requests: proof of possession, and the names that are asked for."""

import subprocess
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from asn1crypto.core import UTF8String
from asn1crypto.csr import CertificationRequest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.x509.issuing import key_of
from tmsd.x509.names import UPN
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.requests import MAX_CSR, parse
from tmsd.x509.signature import scheme_for


def csr(
    names: Sequence[x509.NameAttribute[str]] = (),
    *extensions: x509.ExtensionType,
    kind: KeyKind = KeyKind.P_256,
) -> x509.CertificateSigningRequest:
    key = key_of(kind)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, scheme_for(key.public_key()).digest)


def der(request: x509.CertificateSigningRequest) -> bytes:
    return request.public_bytes(Encoding.DER)


def rule_against(content: bytes) -> Rule:
    with pytest.raises(CertificateRefused) as caught:
        parse(content)
    assert caught.value.field is None
    return caught.value.rule


@pytest.mark.parametrize("kind", KeyKind)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_request_gives_the_key_that_signed_it(kind: KeyKind, encoding: Encoding) -> None:
    request = parse(csr(kind=kind).public_bytes(encoding))
    assert request.public_key == key_of(kind).public_key()
    assert request.fields == {}


def test_a_request_signed_with_pss_is_read() -> None:
    key = key_of(KeyKind.RSA_2048)
    assert isinstance(key, rsa.RSAPrivateKey)
    salted = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = parse(der(builder.sign(key, SHA256(), rsa_padding=salted)))
    assert request.public_key == key.public_key()


def test_each_name_becomes_the_field_that_profiles_know_it_by() -> None:
    names = [
        (NameOID.COUNTRY_NAME, "IS", "country"),
        (NameOID.STATE_OR_PROVINCE_NAME, "s", "state"),
        (NameOID.LOCALITY_NAME, "l", "locality"),
        (NameOID.ORGANIZATION_NAME, "o", "organization"),
        (NameOID.ORGANIZATION_IDENTIFIER, "i", "organization_identifier"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "ou", "organizational_unit"),
        (NameOID.DOMAIN_COMPONENT, "dc", "domain_component"),
        (NameOID.COMMON_NAME, "cn", "common_name"),
        (NameOID.GIVEN_NAME, "g", "given_name"),
        (NameOID.SURNAME, "sn", "surname"),
        (NameOID.SERIAL_NUMBER, "n", "serial_number"),
        (NameOID.USER_ID, "uid", "user_id"),
        (NameOID.EMAIL_ADDRESS, "a@example.com", "email"),
    ]
    request = parse(der(csr([x509.NameAttribute(oid, value) for oid, value, _ in names])))
    assert request.fields == {field: (value,) for _, value, field in names}


def test_each_alternative_name_becomes_a_field() -> None:
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("a.example"),
            x509.DNSName("b.example"),
            x509.RFC822Name("a@example.com"),
            x509.UniformResourceIdentifier("urn:a1:b"),
            x509.IPAddress(ip_address("2001:db8::1")),
            x509.OtherName(UPN, UTF8String("zoë@corp.example").dump()),
        ]
    )
    assert parse(der(csr((), names))).fields == {
        "dns": ("a.example", "b.example"),
        "email": ("a@example.com",),
        "uri": ("urn:a1:b",),
        "ip": ("2001:db8::1",),
        "upn": ("zoë@corp.example",),
    }


def test_an_address_that_stands_in_both_places_is_asked_for_once() -> None:
    names = [x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com")]
    alternative = [x509.RFC822Name("a@example.com"), x509.RFC822Name("b@example.com")]
    request = parse(der(csr(names, x509.SubjectAlternativeName(alternative))))
    assert request.fields == {"email": ("a@example.com", "b@example.com")}


def test_an_attribute_that_stands_twice_has_two_values() -> None:
    names = [x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example")] * 2
    assert parse(der(csr(names))).fields == {"domain_component": ("example", "example")}


def test_names_that_no_profile_knows_are_told_by_oid_or_kind() -> None:
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cn")])
    names = x509.SubjectAlternativeName(
        [
            x509.DirectoryName(other),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
            x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
        ]
    )
    assert parse(der(csr([x509.NameAttribute(NameOID.TITLE, "Dr")], names))).fields == {
        NameOID.TITLE.dotted_string: ("Dr",),
        "DirectoryName": (str(other),),
        "RegisteredID": (str(x509.ObjectIdentifier("1.2.3")),),
        "1.2.3.4": ("0500",),
    }


def test_a_request_that_is_too_long_is_not_read() -> None:
    assert rule_against(b"0" * (MAX_CSR + 1)) is Rule.CSR_TOO_LARGE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"-----BEGIN CERTIFICATE REQUEST-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        der(csr())[:-1],
        der(csr()) + b"\x00",
    ],
    ids=["nothing", "text", "a line of PEM", "PEM of nothing", "cut", "more behind it"],
)
def test_what_is_no_request_is_refused(content: bytes) -> None:
    assert rule_against(content) is Rule.CSR_MALFORMED


def test_a_request_of_another_version_is_refused() -> None:
    content = der(csr())
    version = content.index(b"\x02\x01\x00")
    changed = content[:version] + b"\x02\x01\x02" + content[version + 3 :]
    assert rule_against(changed) is Rule.CSR_MALFORMED


def test_a_request_whose_user_principal_name_is_no_text_is_refused() -> None:
    names = x509.SubjectAlternativeName([x509.OtherName(UPN, b"\x05\x00")])
    assert rule_against(der(csr((), names))) is Rule.CSR_MALFORMED


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], capture_output=True, check=True)


def test_a_key_that_a_certificate_would_write_otherwise_is_refused(tmp_path: Path) -> None:
    """A key for PSS alone (RFC 4055), which would become one for any use of RSA."""
    made = tmp_path / "csr"
    new_key = ("-newkey", "rsa-pss", "-noenc", "-keyout", str(tmp_path / "key"))
    openssl("req", "-new", "-subj", "/CN=a", *new_key, "-out", str(made))
    assert rule_against(made.read_bytes()) is Rule.CSR_MALFORMED


@pytest.mark.parametrize("kind", [KeyKind.P_256, KeyKind.P_384, KeyKind.P_521])
@pytest.mark.parametrize(
    "spoilt",
    [
        lambda _point: b"\x00",
        lambda point: point[:1] + bytes(len(point) - 1),
        lambda point: point[:-1] + bytes([point[-1] ^ 1]),
        lambda point: point[:1] + b"\xff" * (len(point) - 1),
        lambda point: point[:-1],
    ],
    ids=["infinity", "zero", "off-the-curve", "beyond-the-field", "short"],
)
def test_what_is_no_point_of_the_curve_is_no_key(
    kind: KeyKind, spoilt: Callable[[bytes], bytes]
) -> None:
    read = CertificationRequest.load(der(csr(kind=kind)))
    parse(read.dump(force=True))
    key = read["certification_request_info"]["subject_pk_info"]["public_key"]
    key.set(spoilt(key.contents[1:]))
    assert rule_against(read.dump(force=True)) is Rule.CSR_MALFORMED


def test_a_request_that_another_key_signed_is_refused() -> None:
    content = bytearray(der(csr()))
    content[-1] ^= 1
    assert rule_against(bytes(content)) is Rule.CSR_SIGNATURE_WRONG


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha3-256"])
def test_a_request_signed_with_a_weak_or_rare_hash_is_refused(digest: str, tmp_path: Path) -> None:
    made = tmp_path / "csr"
    new_key = ("-newkey", "rsa:2048", "-noenc", "-keyout", str(tmp_path / "key"))
    openssl("req", "-new", f"-{digest}", "-subj", "/CN=a", *new_key, "-out", str(made))
    assert rule_against(made.read_bytes()) is Rule.CSR_SIGNATURE_WEAK


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(65537, 2056),
        lambda: dsa.generate_private_key(1024),  # noqa: S505  to be refused
    ],
    ids=["rsa2056", "dsa"],
)
def test_a_key_that_no_profile_allows_is_refused_before_its_signature(
    make: Callable[[], rsa.RSAPrivateKey],
) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    content = bytearray(der(builder.sign(make(), SHA256())))
    content[-1] ^= 1
    assert rule_against(bytes(content)) is Rule.KEY_KIND_NOT_ALLOWED


def test_a_request_to_become_a_ca_is_refused() -> None:
    asked = x509.BasicConstraints(ca=True, path_length=None)
    assert rule_against(der(csr((), asked))) is Rule.CSR_ASKS_FOR_CA


def test_other_extensions_that_are_asked_for_are_of_no_weight() -> None:
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    assert parse(der(csr((), purposes, constraints))).fields == {}


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_refused(content: bytes) -> None:
    with pytest.raises(CertificateRefused):
        parse(content)


_WHOLE = der(
    csr(
        [x509.NameAttribute(NameOID.COMMON_NAME, "cn")],
        x509.SubjectAlternativeName(
            [
                x509.DNSName("a.example"),
                x509.IPAddress(ip_address("192.0.2.1")),
                x509.OtherName(UPN, UTF8String("a@b").dump()),
            ]
        ),
        x509.BasicConstraints(ca=False, path_length=None),
    )
)


@given(st.integers(0, len(_WHOLE) - 1), st.integers(1, 255))
def test_a_request_with_a_changed_byte_is_refused(place: int, change: int) -> None:
    changed = bytearray(_WHOLE)
    changed[place] ^= change
    with pytest.raises(CertificateRefused):
        parse(bytes(changed))
