"""What profile, issuer and request come to."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tests.x509.issuing import (
    NOW,
    SHIPPED,
    TERMS,
    asked_of,
    ca_with,
    fields_of,
    issuing,
    key_of,
    root,
    shipped,
    without_pointers,
)
from tmsd.x509.building import BACKDATED, Issuer, Terms, Wanted, builder, validity, wanted
from tmsd.x509.linting import signed_for_trial
from tmsd.x509.names import AlternativeName, AttributeType
from tmsd.x509.profile import KeyUsage
from tmsd.x509.public_keys import KeyKind, PublicKey
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.roots import root_builder
from tmsd.x509.signature import scheme_for
from tmsd.x509.templates import Template

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
KEY = key_of(KeyKind.P_256).public_key()

# Not of a test's making: everything that is built must not depend on when and where.
PUBLISHED_KEY = load_pem_public_key(
    b"-----BEGIN PUBLIC KEY-----\n"  # RFC 7517, appendix A.1
    b"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMKBCTNIcKUSDii11ySs3526iDZ8A\n"
    b"iTo7Tu6KPAqv7D7gS2XpJFbZiItSs3m9+9Ue6GnvHw/GW2ZZaVtszggXIw==\n"
    b"-----END PUBLIC KEY-----\n"
)


def built(asked: Wanted, issuer: Issuer | None = None) -> x509.Certificate:
    ca = issuing()
    return ca.sign(builder(issuer or ca.issuer, asked, TERMS))


def refusal_of(asked: Wanted) -> tuple[Rule, str | None]:
    with pytest.raises(CertificateRefused) as caught:
        built(asked)
    return caught.value.rule, caught.value.field


@pytest.mark.parametrize("name", SHIPPED)
def test_the_same_arguments_give_the_same_bytes_always_and_everywhere(name: str) -> None:
    """If these change, certificates change: say so in CHANGELOG.md."""
    assert isinstance(PUBLISHED_KEY, PublicKey)
    scheme = scheme_for(PUBLISHED_KEY)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Root")])
    terms = Terms(1 << 127, NOW, NOW + 7300 * DAY)
    root = signed_for_trial(root_builder(subject, PUBLISHED_KEY, terms, 1), PUBLISHED_KEY, scheme)
    asked = wanted(shipped(name), PUBLISHED_KEY, fields_of(shipped(name)))
    certificate = signed_for_trial(
        builder(ca_with(root, key_of(KeyKind.P_256)).issuer, asked, TERMS), PUBLISHED_KEY, scheme
    )
    assert sha256(certificate.tbs_certificate_bytes).hexdigest() == TBS_SHA256[name]


TBS_SHA256 = {
    "cross-certificate": "626d15a37582a6dad5b9ea47fbe8e72269295be7f55d3dbb7ab14625fd62901d",
    "device": "20163ca3b19123b48a8b3a5f384570abca445b9eb7387d51664ffdbd44c2cb94",
    "ocsp-signing": "49ca3f14bbcdca1c30f54f42a9d03fd7d7919581e49c2a643158081872ca4cf6",
    "officer": "059e423fa5d01050e8abf46e0d40cd3f82c7ece859b21e6b91a53bdfe479453b",
    "subordinate-ca": "1e4c82fcf4e1c5406aca7af9a3e66b8963df3ca8fc036920dc5ad7d191b3635d",
    "tls-client": "891acb65fb99635138f9ff710647f8c7db0e2d87e751207623f20bc460fe7fac",
    "tls-server": "b53f95101a0997c5d955fe57a4a89ef5ce317da2146d787b0541b7d6b1955775",
    "token-authentication": "7dae7eced52b096d22d276e6ecf6b48f0755ca10cb2e6cdc88d27fb485ddb2c0",
    "token-encryption": "440e06adabdfaf61674556b46e711b9951fe518b3a8c1569274465912721ec6f",
    "token-signing": "7d5335a1cb36519499b9b030411f8dee6151094ac50197105845e3f8cd8c41cd",
}


def test_a_certificate_says_what_its_profile_its_issuer_and_its_request_come_to() -> None:
    profile = replace(shipped("token-authentication"), policies=("2.5.29.32.0", "1.2.3"))
    certificate = built(wanted(profile, KEY, fields_of(profile)))
    issuer = issuing().certificate
    assert certificate.version is x509.Version.v3
    assert certificate.issuer == issuer.subject
    assert certificate.serial_number == TERMS.serial_number
    assert certificate.not_valid_before_utc == TERMS.not_before
    assert certificate.not_valid_after_utc == TERMS.not_after
    assert certificate.public_key() == KEY
    assert certificate.subject.rfc4514_string({NameOID.SERIAL_NUMBER: "serialNumber"}) == (
        "serialNumber=A-0123 4567,UID=zoe,CN=Zoë Example"
    )
    assert [(type(each.value).__name__, each.critical) for each in certificate.extensions] == [
        ("AuthorityKeyIdentifier", False),
        ("SubjectKeyIdentifier", False),
        ("KeyUsage", True),
        ("CertificatePolicies", False),
        ("SubjectAlternativeName", False),
        ("BasicConstraints", True),
        ("ExtendedKeyUsage", False),
        ("CRLDistributionPoints", False),
        ("AuthorityInformationAccess", False),
    ]


def test_a_certificate_says_where_its_status_and_its_issuer_are() -> None:
    certificate = built(asked_of("tls-client", common_name="a"))
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    place = x509.UniformResourceIdentifier
    assert [point.full_name for point in points] == [[place("http://pki.example/crl/demo.crl")]]
    assert {each.access_method: each.access_location for each in access} == {
        AuthorityInformationAccessOID.OCSP: place("http://pki.example/ocsp"),
        AuthorityInformationAccessOID.CA_ISSUERS: place("http://pki.example/ca/demo.cer"),
    }


def test_a_ca_without_places_gives_none() -> None:
    certificate = built(asked_of("tls-client", common_name="a"), without_pointers(issuing()))
    kinds = [type(each.value) for each in certificate.extensions]
    assert x509.CRLDistributionPoints not in kinds
    assert x509.AuthorityInformationAccess not in kinds


def test_a_responder_s_certificate_is_not_asked_about() -> None:
    certificate = built(asked_of("ocsp-signing", common_name="Responder"))
    kinds = [type(each.value) for each in certificate.extensions]
    assert x509.OCSPNoCheck in kinds
    assert x509.CRLDistributionPoints not in kinds
    assert x509.AuthorityInformationAccess not in kinds


@pytest.mark.parametrize(
    ("kind", "usages"),
    [
        (KeyKind.RSA_2048, {KeyUsage.KEY_ENCIPHERMENT}),
        (KeyKind.P_256, {KeyUsage.KEY_AGREEMENT}),
    ],
)
def test_a_key_has_of_the_usages_those_of_its_kind(kind: KeyKind, usages: set[KeyUsage]) -> None:
    certificate = built(asked_of("token-encryption", kind, common_name="a"))
    granted = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert {usage for usage in KeyUsage if getattr(granted, usage)} == usages


def test_optional_lines_are_left_out_where_nothing_is_asked_for() -> None:
    certificate = built(asked_of("token-authentication", common_name="a"))
    assert certificate.subject.rfc4514_string() == "CN=a"
    assert x509.SubjectAlternativeName not in [type(each.value) for each in certificate.extensions]


def test_alternative_names_are_critical_where_there_is_no_subject() -> None:
    certificate = built(asked_of("tls-server", dns="a.example"))
    assert list(certificate.subject) == []
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical


def test_an_alternative_name_stands_there_once() -> None:
    twice = (AlternativeName.DNS, Template.parse("{common_name?}"))
    profile = shipped("tls-server")
    profile = replace(profile, alternative_names=(*profile.alternative_names, twice))
    asked = wanted(profile, KEY, {"dns": ("a.example", "A.example"), "common_name": ("a.example",)})
    names = built(asked).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("a.example")]


def test_units_and_domain_components_stand_there_as_often_as_they_are_asked_for() -> None:
    profile = replace(
        shipped("tls-client"),
        subject=(
            (AttributeType.DOMAIN_COMPONENT, Template.parse("{domain_component}")),
            (AttributeType.ORGANIZATIONAL_UNIT, Template.parse("{organizational_unit}")),
        ),
        alternative_names=(),
    )
    fields = {"domain_component": ("com", "example"), "organizational_unit": ("a", "b")}
    assert built(wanted(profile, KEY, fields)).subject.rfc4514_string() == (
        "OU=b,OU=a,DC=example,DC=com"
    )


def test_a_field_that_the_profile_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(CertificateRefused) as caught:
        asked_of("ocsp-signing", common_name="a", country="IS")
    assert (caught.value.rule, caught.value.field) == (Rule.FIELD_UNKNOWN, "country")
    assert caught.value.words == "profile ocsp-signing has the fields common_name"


def test_a_field_that_is_needed_is_refused_by_its_name() -> None:
    assert refusal_of(asked_of("tls-client")) == (Rule.FIELD_MISSING, "common_name")


def test_a_second_common_name_is_refused() -> None:
    asked = wanted(shipped("tls-client"), KEY, {"common_name": ("a", "b")})
    assert refusal_of(asked) == (Rule.FIELD_NOT_SINGLE, "common_name")


def test_a_value_that_does_not_fit_is_refused_by_the_field_it_came_from() -> None:
    asked = asked_of("tls-client", common_name="a" * 65)
    assert refusal_of(asked) == (Rule.FIELD_TOO_LONG, "common_name")
    asked = asked_of("tls-server", dns="a_b.example")
    assert refusal_of(asked) == (Rule.DNS_NAME_MALFORMED, "dns")


def test_a_value_that_is_not_plain_is_refused_before_anything_is_built() -> None:
    with pytest.raises(CertificateRefused) as caught:
        asked_of("tls-client", common_name="a\u202eb")
    assert caught.value.rule is Rule.FIELD_NOT_PLAIN_TEXT


def test_a_key_that_the_profile_does_not_allow_is_refused() -> None:
    with pytest.raises(CertificateRefused) as caught:
        asked_of("ocsp-signing", KeyKind.ED25519, common_name="a")
    assert caught.value.rule is Rule.KEY_KIND_NOT_ALLOWED


def test_an_issuer_without_a_key_identifier_is_refused() -> None:
    plain = (
        x509.CertificateBuilder()
        .serial_number(1)
        .subject_name(root().certificate.subject)
        .issuer_name(root().certificate.subject)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
        .public_key(root().key.public_key())
    )
    with pytest.raises(CertificateRefused) as caught:
        builder(Issuer(root().sign(plain)), asked_of("tls-client", common_name="a"), TERMS)
    assert caught.value.rule is Rule.ISSUER_NOT_CA


@pytest.mark.parametrize("days", [None, 1, 397])
def test_a_validity_is_as_long_as_asked_for_in_seconds(days: int | None) -> None:
    begins, ends = validity(shipped("tls-client"), issuing().issuer, NOW, days)
    assert begins == NOW - BACKDATED
    assert ends - begins + SECOND == (days or 397) * DAY


def test_a_validity_has_whole_seconds() -> None:
    begins, ends = validity(
        shipped("tls-client"), issuing().issuer, NOW + timedelta(microseconds=5)
    )
    assert begins.microsecond == ends.microsecond == 0


def test_a_validity_ends_with_the_issuer_s_unless_more_was_asked_for() -> None:
    end = issuing().certificate.not_valid_after_utc
    now = end - 10 * DAY
    profile, issuer = shipped("tls-client"), issuing().issuer
    assert validity(profile, issuer, now) == (now - BACKDATED, end)
    assert validity(profile, issuer, now, 10) == (now - BACKDATED, end - BACKDATED - SECOND)
    with pytest.raises(CertificateRefused) as caught:
        validity(profile, issuer, now, 11)
    assert (caught.value.rule, caught.value.field) == (Rule.VALIDITY_BEYOND_ISSUER, "days")


def test_a_validity_begins_with_the_issuer_s_where_that_is_new() -> None:
    begin = issuing().certificate.not_valid_before_utc
    assert validity(shipped("tls-client"), issuing().issuer, begin + SECOND)[0] == begin


@pytest.mark.parametrize("days", [0, -1])
def test_a_validity_of_less_than_a_day_is_refused(days: int) -> None:
    with pytest.raises(CertificateRefused) as caught:
        validity(shipped("tls-client"), issuing().issuer, NOW, days)
    assert (caught.value.rule, caught.value.field) == (Rule.VALIDITY_TOO_SHORT, "days")


def test_a_validity_beyond_the_profile_s_is_refused() -> None:
    with pytest.raises(CertificateRefused) as caught:
        validity(shipped("tls-client"), issuing().issuer, NOW, 398)
    assert (caught.value.rule, caught.value.field) == (Rule.VALIDITY_TOO_LONG, "days")


@pytest.mark.parametrize("beside", ["before", "after"])
def test_an_issuer_that_is_not_valid_now_issues_nothing(beside: str) -> None:
    certificate = issuing().certificate
    now = {
        "before": certificate.not_valid_before_utc - SECOND,
        "after": certificate.not_valid_after_utc,
    }[beside]
    with pytest.raises(CertificateRefused) as caught:
        validity(shipped("tls-client"), issuing().issuer, now)
    assert caught.value.rule is Rule.VALIDITY_BEYOND_ISSUER
