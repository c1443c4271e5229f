"""What is looked over before a CA signs: each rule, broken by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.x509.drafts import Draft
from tests.x509.issuing import (
    TERMS,
    asked_of,
    fields_of,
    issuing,
    key_of,
    root,
    root_of,
    shipped,
)
from tmsd.x509.building import Issuer, builder, key_usage, wanted
from tmsd.x509.linting import MAX_CERTIFICATE, lint, require_same, signed_for_trial
from tmsd.x509.profile import KeyUsage
from tmsd.x509.public_keys import KeyKind, PublicKey
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.signature import scheme_for

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def draft(name: str = "token-authentication") -> Draft:
    profile = shipped(name)
    ca = root() if profile.is_ca else issuing()
    asked = wanted(profile, key_of(KeyKind.P_256).public_key(), fields_of(profile))
    return Draft.of(ca.sign(builder(ca.issuer, asked, TERMS)))


def rule_against(
    spoiled: Draft, name: str = "token-authentication", issuer: Issuer | None = None
) -> Rule:
    profile = shipped(name)
    ca = root() if profile.is_ca else issuing()
    with pytest.raises(CertificateRefused) as caught:
        lint(spoiled.signed(ca), profile, issuer or ca.issuer)
    return caught.value.rule


@pytest.mark.parametrize("name", ["token-authentication", "subordinate-ca", "ocsp-signing"])
def test_a_draft_that_is_not_spoiled_breaks_no_rule(name: str) -> None:
    profile = shipped(name)
    ca = root() if profile.is_ca else issuing()
    lint(draft(name).signed(ca), profile, ca.issuer)


def long_draft(names: int) -> Draft:
    long = x509.SubjectAlternativeName([x509.DNSName(f"{n:03}.example") for n in range(names)])
    return draft().having(long, critical=False)


def test_what_is_longer_than_7_kib_without_its_signature_is_refused() -> None:
    assert rule_against(long_draft(600)) is Rule.CERTIFICATE_TOO_LARGE


def test_with_the_longest_signature_a_certificate_has_no_more_than_8_kib() -> None:
    longest = long_draft(508)
    lint(longest.signed(issuing()), shipped("token-authentication"), issuing().issuer)
    assert rule_against(long_draft(509)) is Rule.CERTIFICATE_TOO_LARGE
    certificate = longest.signed(root_of(key_of(KeyKind.RSA_4096, "root"), pss=True))
    assert len(certificate.public_bytes(Encoding.DER)) <= MAX_CERTIFICATE


@pytest.mark.parametrize("serial_number", [1, 1 << 94, 1 << 128])
def test_a_serial_number_of_another_length_than_128_random_bits_have_is_refused(
    serial_number: int,
) -> None:
    spoiled = replace(draft(), serial_number=serial_number)
    assert rule_against(spoiled) is Rule.SERIAL_NUMBER_SHORT


@pytest.mark.parametrize(
    "issuer",
    [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another CA")]),
        # The same name in another string type: for relying parties that compare bytes, another.
        x509.Name(
            [
                x509.NameAttribute(
                    NameOID.COMMON_NAME, "Example Issuing CA", x509.name._ASN1Type.PrintableString
                )
            ]
        ),
    ],
)
def test_an_issuer_that_is_not_the_ca_s_subject_to_the_byte_is_refused(issuer: x509.Name) -> None:
    assert rule_against(replace(draft(), issuer=issuer)) is Rule.ISSUER_DIFFERS


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ca: ca.lacking(x509.BasicConstraints),
        lambda ca: ca.lacking(x509.KeyUsage),
        lambda ca: ca.having(x509.BasicConstraints(ca=False, path_length=None), critical=True),
        lambda ca: ca.having(key_usage([KeyUsage.KEY_CERT_SIGN]), critical=True),
        lambda ca: ca.having(key_usage([KeyUsage.CRL_SIGN]), critical=True),
    ],
)
def test_an_issuer_that_may_not_sign_certificates_and_crls_is_refused(
    spoil: Callable[[Draft], Draft],
) -> None:
    no_ca = spoil(Draft.of(issuing().certificate)).signed(root())
    assert rule_against(draft(), issuer=Issuer(no_ca)) is Rule.ISSUER_NOT_CA


@pytest.mark.parametrize(
    ("allowed", "path_length", "is_kept"),
    [
        (None, None, True),
        (None, 16, True),
        (1, 0, True),
        (0, 0, False),
        (1, 1, False),
        (1, None, False),
    ],
)
def test_fewer_cas_follow_a_ca_than_follow_its_issuer(
    allowed: int | None, path_length: int | None, is_kept: bool
) -> None:
    ca = root_of(key_of(KeyKind.P_384, "root"), path_length=allowed)
    profile = replace(shipped("subordinate-ca"), path_length=path_length)
    below = ca.issue_ca("Below", key_of(KeyKind.P_256), profile).certificate
    if is_kept:
        lint(below, profile, ca.issuer)
        return
    with pytest.raises(CertificateRefused) as caught:
        lint(below, profile, ca.issuer)
    assert caught.value.rule is Rule.PATH_TOO_LONG


@pytest.mark.parametrize(
    "validity",
    [
        (issuing().certificate.not_valid_before_utc - SECOND, TERMS.not_after),
        (TERMS.not_before, issuing().certificate.not_valid_after_utc + SECOND),
    ],
)
def test_a_certificate_that_is_valid_when_its_issuer_is_not_is_refused(
    validity: tuple[datetime, datetime],
) -> None:
    spoiled = replace(draft(), not_before=validity[0], not_after=validity[1])
    assert rule_against(spoiled) is Rule.VALIDITY_BEYOND_ISSUER


def test_a_certificate_of_more_days_than_its_profile_s_is_refused() -> None:
    end = TERMS.not_before + timedelta(days=shipped("token-authentication").days)
    spoiled = replace(draft(), not_after=end)
    assert rule_against(spoiled) is Rule.VALIDITY_TOO_LONG
    lint(
        replace(spoiled, not_after=end - SECOND).signed(issuing()),
        shipped("token-authentication"),
        issuing().issuer,
    )


def test_a_key_of_a_kind_that_the_profile_does_not_allow_is_refused() -> None:
    spoiled = replace(draft("ocsp-signing"), key=key_of(KeyKind.ED25519).public_key())
    assert rule_against(spoiled, "ocsp-signing") is Rule.KEY_KIND_NOT_ALLOWED


def identifier_of(owner: str) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key_of(KeyKind.P_256, owner).public_key())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.lacking(x509.SubjectKeyIdentifier),
        lambda good: good.lacking(x509.AuthorityKeyIdentifier),
        lambda good: good.having(identifier_of("another"), critical=False),
        lambda good: good.having(identifier_of("holder"), critical=True),
        lambda good: good.having(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                identifier_of("another")
            ),
            critical=False,
        ),
    ],
)
def test_key_identifiers_are_those_of_the_key_and_of_the_issuer(
    spoil: Callable[[Draft], Draft],
) -> None:
    assert rule_against(spoil(draft())) is Rule.KEY_IDENTIFIERS_WRONG


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.lacking(x509.BasicConstraints),
        lambda good: good.having(x509.BasicConstraints(ca=True, path_length=None), critical=True),
        lambda good: good.having(x509.BasicConstraints(ca=False, path_length=None), critical=False),
    ],
)
def test_a_certificate_of_an_end_entity_that_does_not_say_so_is_refused(
    spoil: Callable[[Draft], Draft],
) -> None:
    # A CA of unlimited path would break the rule of the path below this issuer first.
    unlimited = replace(issuing().issuer, certificate=unlimited_issuing())
    assert rule_against(spoil(draft()), issuer=unlimited) is Rule.BASIC_CONSTRAINTS_WRONG


def unlimited_issuing() -> x509.Certificate:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return Draft.of(issuing().certificate).having(constraints, critical=True).signed(root())


def test_a_certificate_of_a_ca_that_does_not_say_so_is_refused() -> None:
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    spoiled = draft("subordinate-ca").having(constraints, critical=True)
    assert rule_against(spoiled, "subordinate-ca") is Rule.BASIC_CONSTRAINTS_WRONG


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.lacking(x509.KeyUsage),
        lambda good: good.having(key_usage([]), critical=True),
        lambda good: good.having(key_usage([KeyUsage.DIGITAL_SIGNATURE]), critical=False),
        lambda good: good.having(
            key_usage([KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_CERT_SIGN]), critical=True
        ),
    ],
)
def test_a_key_usage_that_is_not_the_profile_s_is_refused(spoil: Callable[[Draft], Draft]) -> None:
    assert rule_against(spoil(draft())) is Rule.KEY_USAGE_WRONG


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("token-authentication", KeyUsage.KEY_CERT_SIGN),
        ("token-authentication", KeyUsage.CRL_SIGN),
        ("token-authentication", KeyUsage.KEY_ENCIPHERMENT),
        ("subordinate-ca", KeyUsage.DIGITAL_SIGNATURE),
    ],
)
def test_a_profile_s_key_usage_that_is_not_its_holder_s_or_its_key_s_is_refused(
    name: str, usage: KeyUsage
) -> None:
    """Such a profile is not loaded; a certificate by one would say what the profile says."""
    profile = replace(shipped(name), key_usage=(usage,))
    ca = root() if profile.is_ca else issuing()
    spoiled = draft(name).having(key_usage([usage]), critical=True)
    with pytest.raises(CertificateRefused) as caught:
        lint(spoiled.signed(ca), profile, ca.issuer)
    assert caught.value.rule is Rule.KEY_USAGE_WRONG


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.lacking(x509.ExtendedKeyUsage),
        lambda good: good.having(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        ),
        lambda good: good.having(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False
        ),
        lambda good: good.having(good.extensions[x509.ExtendedKeyUsage][0], critical=True),
    ],
)
def test_purposes_that_are_not_the_profile_s_are_refused(spoil: Callable[[Draft], Draft]) -> None:
    assert rule_against(spoil(draft())) is Rule.EXTENDED_KEY_USAGE_WRONG


def test_a_ca_with_purposes_that_its_profile_has_not_is_refused() -> None:
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    spoiled = draft("subordinate-ca").having(purposes, critical=False)
    assert rule_against(spoiled, "subordinate-ca") is Rule.EXTENDED_KEY_USAGE_WRONG


def policies(oid: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)])


def test_policies_that_are_not_the_profile_s_are_refused() -> None:
    spoiled = draft().having(policies("1.2.3"), critical=False)
    assert rule_against(spoiled) is Rule.POLICIES_WRONG
    ca = draft("subordinate-ca")
    for spoiled in (
        ca.lacking(x509.CertificatePolicies),
        ca.having(policies("1.2.3"), critical=False),
        ca.having(policies("2.5.29.32.0"), critical=True),
    ):
        assert rule_against(spoiled, "subordinate-ca") is Rule.POLICIES_WRONG


def test_a_certificate_that_names_nobody_is_refused() -> None:
    nameless = replace(draft(), subject=x509.Name([]))
    assert rule_against(nameless.lacking(x509.SubjectAlternativeName)) is Rule.SUBJECT_MISSING
    # 4.2.1.6: a relying party may pass over what is not critical.
    assert rule_against(nameless) is Rule.SUBJECT_MISSING
    nameless_ca = replace(draft("subordinate-ca"), subject=x509.Name([])).having(
        x509.SubjectAlternativeName([x509.DNSName("ca.example")]), critical=True
    )
    assert rule_against(nameless_ca, "subordinate-ca") is Rule.SUBJECT_MISSING


@pytest.mark.parametrize(
    "names",
    [
        None,
        [x509.UniformResourceIdentifier("https://www.example/")],
        [x509.DNSName("other.example")],
    ],
)
def test_a_server_without_names_or_called_by_none_of_them_is_refused(
    names: list[x509.GeneralName] | None,
) -> None:
    spoiled = draft("tls-server").lacking(x509.SubjectAlternativeName)
    if names:
        spoiled = spoiled.having(x509.SubjectAlternativeName(names), critical=False)
    assert rule_against(spoiled, "tls-server") is Rule.SERVER_NAME_MISSING


def test_a_server_may_be_called_by_its_address() -> None:
    profile = shipped("tls-server")
    asked = asked_of("tls-server", common_name="192.0.2.1", ip="192.0.2.1")
    lint(issuing().issue(asked), profile, issuing().issuer)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.lacking(x509.CRLDistributionPoints),
        lambda good: good.lacking(x509.AuthorityInformationAccess),
        lambda good: good.having(x509.OCSPNoCheck(), critical=False),
        lambda good: good.having(good.extensions[x509.CRLDistributionPoints][0], critical=True),
        lambda good: good.having(
            Draft.of(other_places()).extensions[x509.CRLDistributionPoints][0], critical=False
        ),
    ],
)
def test_a_certificate_that_does_not_say_where_its_status_is_is_refused(
    spoil: Callable[[Draft], Draft],
) -> None:
    assert rule_against(spoil(draft())) is Rule.REVOCATION_POINTERS_WRONG


def other_places() -> x509.Certificate:
    issuer = replace(issuing().issuer, crl_url="http://elsewhere.example/demo.crl")
    return issuing().sign(builder(issuer, asked_of("tls-client", common_name="a"), TERMS))


def test_a_responder_s_certificate_that_would_be_asked_about_is_refused() -> None:
    good = draft("ocsp-signing")
    places = draft().extensions[x509.CRLDistributionPoints][0]
    for spoiled in (good.lacking(x509.OCSPNoCheck), good.having(places, critical=False)):
        assert rule_against(spoiled, "ocsp-signing") is Rule.REVOCATION_POINTERS_WRONG


@pytest.mark.parametrize(
    "extension",
    [
        x509.InhibitAnyPolicy(0),
        x509.TLSFeature([x509.TLSFeatureType.status_request]),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
    ],
)
def test_an_extension_that_no_profile_makes_is_refused(extension: x509.ExtensionType) -> None:
    assert rule_against(draft().having(extension, critical=False)) is Rule.EXTENSION_NOT_EXPECTED


def trial_of(issuer_key: PublicKey, *, pss: bool = False) -> x509.Certificate:
    built = builder(issuing().issuer, asked_of("tls-client", common_name="a"), TERMS)
    return signed_for_trial(built, issuer_key, scheme_for(issuer_key, pss=pss))


@pytest.mark.parametrize("kind", KeyKind)
@pytest.mark.parametrize("pss", [False, True])
def test_what_is_signed_on_trial_is_what_the_ca_signs_to_the_byte(kind: KeyKind, pss: bool) -> None:
    key = key_of(kind)
    trial = trial_of(key.public_key(), pss=pss)
    scheme = scheme_for(key.public_key(), pss=pss)
    built = builder(issuing().issuer, asked_of("tls-client", common_name="a"), TERMS)
    final = scheme.sign_certificate(built, key)
    require_same(trial, final)
    assert trial.signature != final.signature


def test_a_trial_s_signature_is_not_the_ca_s() -> None:
    trial = trial_of(issuing().key.public_key())
    with pytest.raises(InvalidSignature):
        trial.verify_directly_issued_by(issuing().certificate)


def test_what_is_not_what_was_looked_over_is_refused() -> None:
    trial = trial_of(issuing().key.public_key())
    final = issuing().issue(asked_of("tls-client", common_name="b"))
    with pytest.raises(CertificateRefused) as caught:
        require_same(trial, final)
    assert caught.value.rule is Rule.CERTIFICATE_DIFFERS
