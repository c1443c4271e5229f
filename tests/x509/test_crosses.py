"""Cross-certificates: what a CA issued is trusted by who trusts another, with no word changed."""

import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from tests.x509.drafts import Draft
from tests.x509.issuing import (
    NOW,
    TERMS,
    PrivateKey,
    asked_of,
    issuing,
    key_of,
    root,
    root_of,
    shipped,
)
from tests.x509.relying_parties import openssl_verify, pkilint_finds
from tmsd.x509.building import Issuer, Terms, builder, validity
from tmsd.x509.crosses import Crossing, cross_builder, crossed_ca, crossed_validity
from tmsd.x509.linting import lint
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.signature import scheme_for

OF_CA = shipped("subordinate-ca")
OF_ROOT = shipped("cross-certificate")


def subject_der(certificate: x509.Certificate) -> bytes:
    """Return a subject as it stands there, found by another library."""
    read = Certificate.load(certificate.public_bytes(Encoding.DER))
    return bytes(read.subject.dump())


def refusal_of(crossed: x509.Certificate) -> Rule:
    with pytest.raises(CertificateRefused) as caught:
        cross_builder(root().issuer, Crossing(OF_CA, crossed), TERMS)
    return caught.value.rule


def test_a_new_root_is_trusted_through_the_old_one(tmp_path: Path) -> None:
    old, new = root(), root_of(key_of(KeyKind.P_521, "new root"), "Example Root 2")
    terms = Terms(TERMS.serial_number, *validity(OF_ROOT, old.issuer, NOW))
    cross = old.sign(cross_builder(old.issuer, Crossing(OF_ROOT, new.certificate), terms))
    lint(cross, OF_ROOT, old.issuer)
    below = new.issue_ca("Example Issuing CA 2", key_of(KeyKind.P_384, "issuing 2"))
    leaf = below.issue(asked_of("tls-server", dns="www.example"))

    for above in ([new.certificate], [cross, old.certificate]):
        chain = [leaf, below.certificate, *above]
        assert openssl_verify(chain, tmp_path, "-purpose", "sslserver") == ""
    assert pkilint_finds(cross, tmp_path, old.certificate) == ""
    assert pkilint_finds(below.certificate, tmp_path, cross) == ""
    without = openssl_verify([leaf, below.certificate, old.certificate], tmp_path)
    assert "unable to get" in without


def test_an_issuing_ca_is_trusted_through_another_root(tmp_path: Path) -> None:
    other = root_of(key_of(KeyKind.P_521, "other root"), "Another Root")
    cross = other.sign(cross_builder(other.issuer, Crossing(OF_CA, issuing().certificate), TERMS))
    lint(cross, OF_CA, other.issuer)
    leaf = issuing().issue(asked_of("tls-client", common_name="a"))
    assert openssl_verify([leaf, cross, other.certificate], tmp_path, "-purpose", "sslclient") == ""


@pytest.mark.parametrize("is_new_trusted", [False, True], ids=["new with old", "old with new"])
def test_a_root_that_changes_its_key_is_trusted_by_either(
    is_new_trusted: bool, tmp_path: Path
) -> None:
    """RFC 4210, 4.4: the new key certified by the old one, and the other way, under one name."""
    roots = [
        root_of(key_of(KeyKind.P_384, "root"), path_length=1),
        root_of(key_of(KeyKind.P_521, "new root"), path_length=1),
    ]
    assert roots[0].certificate.subject == roots[1].certificate.subject
    crossed, trusted = reversed(roots) if not is_new_trusted else roots
    asked = Crossing(OF_ROOT, crossed.certificate)
    cross = trusted.sign(cross_builder(trusted.issuer, asked, TERMS))
    lint(cross, OF_ROOT, trusted.issuer)
    below = crossed.issue_ca("Below", key_of(KeyKind.P_256))
    leaf = below.issue(asked_of("tls-client", common_name="a"))
    chain = [leaf, below.certificate, cross, trusted.certificate]
    assert openssl_verify(chain, tmp_path) == ""
    assert openssl_verify([leaf, below.certificate, trusted.certificate], tmp_path) != ""


def made_by_openssl(folder: Path, string_mask: str, *more: str) -> x509.Certificate:
    (folder / "openssl.cnf").write_text(
        f"[req]\nstring_mask = {string_mask}\nutf8 = yes\ndistinguished_name = dn\n"
        "prompt = no\nx509_extensions = ca\n"
        "[dn]\nC = IS\nO = Zoë & Søns\nCN = Example\n"
        "[ca]\nbasicConstraints = critical, CA:true\n"
        "keyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n"
    )
    command = [
        *("openssl", "req", "-x509", "-config", str(folder / "openssl.cnf"), "-noenc"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "/dev/null"),
        *("-out", str(folder / "ca.pem"), *more),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())


@pytest.mark.parametrize(
    ("string_mask", "more"),
    [
        ("utf8only", ()),
        ("MASK:0x800", ()),  # BMPString
        ("MASK:0x802", ()),  # PrintableString where it fits
        ("utf8only", ("-subj", "/C=IS/O=Example/CN=b+UID=zoe+serialNumber=01")),
    ],
)
def test_the_subject_stays_as_it_is_to_the_byte(
    string_mask: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    crossed = made_by_openssl(tmp_path, string_mask, *more)
    cross = root().sign(cross_builder(root().issuer, Crossing(OF_CA, crossed), TERMS))
    assert subject_der(cross) == subject_der(crossed)
    assert cross.public_key() == crossed.public_key()


def test_a_subject_that_cannot_stay_as_it_is_is_refused(tmp_path: Path) -> None:
    """TeletexString, which OpenSSL fills with Latin-1."""
    old = made_by_openssl(tmp_path, "MASK:4")
    assert refusal_of(old) is Rule.SUBJECT_DIFFERS
    with pytest.raises(CertificateRefused) as caught:
        builder(Issuer(old), asked_of("tls-client", common_name="a"), TERMS)
    assert caught.value.rule is Rule.SUBJECT_DIFFERS


def test_what_is_no_ca_is_not_cross_certified() -> None:
    leaf = issuing().issue(asked_of("tls-client", common_name="a"))
    assert refusal_of(leaf) is Rule.ISSUER_NOT_CA


def test_a_profile_of_end_entities_cross_certifies_nothing() -> None:
    with pytest.raises(CertificateRefused) as caught:
        cross_builder(root().issuer, Crossing(shipped("tls-client"), issuing().certificate), TERMS)
    assert caught.value.rule is Rule.ISSUER_NOT_CA


def test_a_key_that_the_profile_does_not_allow_is_refused() -> None:
    with pytest.raises(CertificateRefused) as caught:
        cross_builder(
            root().issuer,
            Crossing(replace(OF_CA, keys=(KeyKind.P_384,)), issuing().certificate),
            TERMS,
        )
    assert caught.value.rule is Rule.KEY_KIND_NOT_ALLOWED


def test_a_key_identifier_that_children_would_not_find_is_refused() -> None:
    odd = Draft.of(issuing().certificate).having(
        x509.SubjectKeyIdentifier(b"another method"), critical=False
    )
    assert refusal_of(odd.signed(root())) is Rule.KEY_IDENTIFIERS_WRONG


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def request_by(key: PrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, scheme_for(key.public_key()).digest).public_bytes(Encoding.DER)


def rule_against(content: bytes, csr: bytes | None = None) -> Rule:
    with pytest.raises(CertificateRefused) as caught:
        crossed_ca(content, csr)
    return caught.value.rule


@pytest.mark.parametrize("kind", KeyKind)
def test_a_root_shows_by_its_own_signature_that_its_key_is_held(kind: KeyKind) -> None:
    certificate = root_of(key_of(kind, "another root")).certificate
    assert crossed_ca(der(certificate), None) == certificate


def test_what_another_ca_signed_takes_a_request_by_the_same_key() -> None:
    certificate = issuing().certificate
    assert rule_against(der(certificate)) is Rule.CROSSED_NOT_PROVEN
    assert rule_against(der(certificate), request_by(root().key)) is Rule.CROSSED_NOT_PROVEN
    assert rule_against(der(certificate), b"no request") is Rule.CSR_MALFORMED
    assert crossed_ca(der(certificate), request_by(issuing().key)) == certificate


def test_a_root_that_signed_itself_with_sha_1_takes_a_request(tmp_path: Path) -> None:
    certificate = made_by_openssl(tmp_path, "utf8only", "-sha1")
    assert rule_against(der(certificate)) is Rule.CROSSED_NOT_PROVEN


@pytest.mark.parametrize(
    "content", [b"", b"hello", der(root().certificate)[:-1]], ids=["nothing", "text", "cut"]
)
def test_what_is_no_certificate_is_not_crossed(content: bytes) -> None:
    assert rule_against(content) is Rule.CROSSED_MALFORMED


_ROOT = der(root().certificate)


@example(_ROOT.index(b"\xa0\x03\x02\x01\x02") + 4, 1)  # version 4
@given(st.integers(0, len(_ROOT) - 1), st.integers(1, 255))
def test_a_certificate_with_a_changed_byte_is_not_crossed(place: int, change: int) -> None:
    changed = bytearray(_ROOT)
    changed[place] ^= change
    with pytest.raises(CertificateRefused):
        crossed_ca(bytes(changed), None)


def ending(days: int) -> x509.Certificate:
    """Return the certificate of another root, which ends so many days from now."""
    other = root_of(key_of(KeyKind.P_521, "other root"), "Another Root")
    lasting = replace(Draft.of(other.certificate), not_after=NOW + timedelta(days=days))
    return lasting.signed(other)


def test_a_cross_certificate_ends_with_the_one_it_is_for() -> None:
    asked = Crossing(OF_ROOT, ending(100))
    _, not_after = crossed_validity(asked, root().issuer, NOW)
    assert not_after == asked.crossed.not_valid_after_utc
    _, sooner = crossed_validity(asked, root().issuer, NOW, days=99)
    assert sooner < not_after


@pytest.mark.parametrize(("ends", "days"), [(100, 102), (0, None), (-1, None)])
def test_a_cross_certificate_for_longer_is_refused(ends: int, days: int | None) -> None:
    with pytest.raises(CertificateRefused) as caught:
        crossed_validity(Crossing(OF_ROOT, ending(ends)), root().issuer, NOW, days)
    assert caught.value.rule is Rule.VALIDITY_BEYOND_CROSSED
