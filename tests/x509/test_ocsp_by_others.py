"""OCSP requests that OpenSSL makes, and answers as OpenSSL and pkilint read them."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags

from tests.x509.authority import authority, pem
from tests.x509.issuing import key_of
from tmsd.x509.ocsp import (
    CertId,
    CertIdDigest,
    OcspRefused,
    Period,
    Refusal,
    Revocation,
    delegated,
    issuer_id,
    parse_request,
    sign_answer,
)
from tmsd.x509.public_keys import KeyKind

# As `openssl ocsp` has them; before OpenSSL 3.5 it does not know the last two by name.
REASONS = {
    ReasonFlags.key_compromise: "keyCompromise",
    ReasonFlags.ca_compromise: "cACompromise",
    ReasonFlags.affiliation_changed: "affiliationChanged",
    ReasonFlags.superseded: "superseded",
    ReasonFlags.cessation_of_operation: "cessationOfOperation",
    ReasonFlags.certificate_hold: "certificateHold",
    ReasonFlags.privilege_withdrawn: r"privilegeWithdrawn|\(UNKNOWN\)",
    ReasonFlags.aa_compromise: r"aACompromise|\(UNKNOWN\)",
}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Asked:
    """A request that OpenSSL made, and what it makes of answers."""

    def __init__(
        self,
        directory: Path,
        digest: CertIdDigest,
        *certificates: x509.Certificate,
        ca_kind: KeyKind = KeyKind.P_256,
        more: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory
        self.ca = authority(ca_kind)
        self.ca_file = str(pem(self.ca.certificate, directory / "ca.pem"))
        self.question = ["-issuer", self.ca_file, f"-{digest.value}"]
        for number, certificate in enumerate(certificates):
            file = pem(certificate, directory / f"{number}.pem")
            self.question += ["-cert", str(file)]
        made = directory / "request.der"
        assert run("openssl", "ocsp", *self.question, *more, "-reqout", made).returncode == 0
        self.request = made.read_bytes()

    def read(self, answer: bytes) -> subprocess.CompletedProcess[str]:
        file = self.directory / "answer.der"
        file.write_bytes(answer)
        return run(
            *("openssl", "ocsp", *self.question, "-respin", str(file), "-CAfile", self.ca_file),
            *("-no_nonce", "-resp_text"),
        )


def answered(
    asked: Asked, revocation: Revocation | None = None, responder_kind: KeyKind = KeyKind.P_256
) -> bytes:
    ca = asked.ca
    key = key_of(responder_kind, "responder")
    responder = delegated(ca.issue("ocsp-signing", key.public_key()), ca.certificate)
    period = Period(ca.now, ca.now + timedelta(days=1))
    return sign_answer(responder, key, parse_request(asked.request).certificate, revocation, period)


@pytest.mark.parametrize("digest", CertIdDigest)
def test_openssl_asks_about_a_certificate_by_either_hash(
    digest: CertIdDigest, tmp_path: Path
) -> None:
    certificate = authority().issue()
    asked = Asked(tmp_path, digest, certificate)
    issuer = issuer_id(authority().certificate, digest)
    assert parse_request(asked.request).certificate == CertId(issuer, certificate.serial_number)


def test_a_signed_request_is_read_like_another(tmp_path: Path) -> None:
    certificate = authority().issue()
    key = tmp_path / "key.pem"
    made = run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=asker",
        "-keyout",
        key,
        "-out",
        tmp_path / "signer.pem",
    )
    assert made.returncode == 0
    signing = ("-signer", str(tmp_path / "signer.pem"), "-signkey", str(key))
    asked = Asked(tmp_path, CertIdDigest.SHA_1, certificate, more=signing)
    assert len(asked.request) > 1000
    assert parse_request(asked.request).certificate.serial_number == certificate.serial_number


def test_nobody_is_answered_about_two_certificates_at_once(tmp_path: Path) -> None:
    asked = Asked(tmp_path, CertIdDigest.SHA_1, authority().issue(), authority().issue())
    with pytest.raises(OcspRefused) as refused:
        parse_request(asked.request)
    assert refused.value.refusal is Refusal.UNAUTHORIZED


@pytest.mark.parametrize("digest", CertIdDigest)
@pytest.mark.parametrize("responder_kind", [KeyKind.RSA_2048, KeyKind.P_256, KeyKind.P_384])
@pytest.mark.parametrize("ca_kind", [KeyKind.RSA_2048, KeyKind.P_256])
def test_openssl_believes_that_a_certificate_is_good(
    digest: CertIdDigest, responder_kind: KeyKind, ca_kind: KeyKind, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, digest, authority(ca_kind).issue(), ca_kind=ca_kind)
    read = asked.read(answered(asked, responder_kind=responder_kind))
    assert "Response verify OK" in read.stderr
    assert "0.pem: good" in read.stdout


@pytest.mark.parametrize("reason", [ReasonFlags.unspecified, *REASONS])
def test_openssl_believes_that_and_why_a_certificate_is_revoked(
    reason: ReasonFlags, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, CertIdDigest.SHA_256, authority().issue())
    read = asked.read(answered(asked, Revocation(authority().now, reason)))
    assert "Response verify OK" in read.stderr
    assert "0.pem: revoked" in read.stdout
    words = REASONS.get(reason)
    assert ("Reason:" in read.stdout) == (words is not None)
    assert words is None or re.search(f"Reason: ({words})\n", read.stdout)


def test_openssl_does_not_take_an_answer_for_that_about_another(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    asked = Asked(tmp_path, CertIdDigest.SHA_256, authority().issue())
    other = Asked(tmp_path / "other", CertIdDigest.SHA_256, authority().issue())
    assert "No Status found" in asked.read(answered(other)).stdout


@pytest.mark.parametrize("refusal", Refusal)
def test_openssl_names_each_refusal(refusal: Refusal, tmp_path: Path) -> None:
    asked = Asked(tmp_path, CertIdDigest.SHA_1, authority().issue())
    read = asked.read(refusal.der)
    assert f"({refusal.value.value})" in read.stdout + read.stderr


@pytest.mark.parametrize("revocation", [None, Revocation(authority().now, ReasonFlags.superseded)])
@pytest.mark.parametrize("digest", CertIdDigest)
def test_pkilint_finds_nothing_in_answers(
    digest: CertIdDigest, revocation: Revocation | None, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, digest, authority().issue())
    file = tmp_path / "answer.der"
    file.write_bytes(answered(asked, revocation))
    lint = Path(sys.executable).with_name("lint_ocsp_response")
    linted = run(lint, "lint", "-s", "NOTICE", file)
    assert linted.stdout.strip() == ""
    assert linted.returncode == 0
