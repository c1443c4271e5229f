"""Certificates of roots."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.x509.drafts import Draft
from tests.x509.issuing import TERMS, key_of, root, root_of
from tmsd.x509.linting import signed_for_trial
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.roots import lint_root, root_builder
from tmsd.x509.signature import scheme_for


@pytest.mark.parametrize("path_length", [None, 0, 1])
def test_a_root_signs_itself_and_breaks_no_rule(path_length: int | None) -> None:
    certificate = root_of(key_of(KeyKind.P_384, "root"), path_length=path_length).certificate
    certificate.verify_directly_issued_by(certificate)
    lint_root(certificate, path_length)


def test_a_root_on_trial_breaks_no_rule() -> None:
    key = root().key.public_key()
    built = root_builder(root().certificate.subject, key, TERMS, 1)
    lint_root(signed_for_trial(built, key, scheme_for(key)), 1)


def test_a_root_says_that_it_is_one() -> None:
    extensions = root().certificate.extensions
    assert [(type(each.value).__name__, each.critical) for each in extensions] == [
        ("AuthorityKeyIdentifier", False),
        ("SubjectKeyIdentifier", False),
        ("KeyUsage", True),
        ("BasicConstraints", True),
    ]


def test_a_root_of_another_path_length_than_was_meant_is_refused() -> None:
    with pytest.raises(CertificateRefused) as caught:
        lint_root(root_of(key_of(KeyKind.P_384, "root"), path_length=1).certificate, 0)
    assert caught.value.rule is Rule.BASIC_CONSTRAINTS_WRONG


def test_a_root_without_a_subject_is_refused() -> None:
    key = root().key.public_key()
    built = root_builder(x509.Name([]), key, TERMS, None)
    with pytest.raises(CertificateRefused) as caught:
        lint_root(signed_for_trial(built, key, scheme_for(key)), None)
    assert caught.value.rule is Rule.SUBJECT_MISSING


def test_a_root_that_says_more_than_roots_do_is_refused() -> None:
    spoiled = Draft.of(root().certificate).having(x509.OCSPNoCheck(), critical=False)
    with pytest.raises(CertificateRefused) as caught:
        lint_root(spoiled.signed(root()), None)
    assert caught.value.rule is Rule.REVOCATION_POINTERS_WRONG


def test_a_root_with_a_weak_key_is_refused() -> None:
    weak = rsa.RSAPublicNumbers(3, 3 << 2046 | 1).public_key()
    with pytest.raises(CertificateRefused) as caught:
        root_builder(root().certificate.subject, weak, TERMS, None)
    assert caught.value.rule is Rule.KEY_EXPONENT_UNSAFE
