"""CRLs as OpenSSL, GnuTLS and pkilint read them."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags

from tests.x509.authority import Authority, authority, pem
from tests.x509.relying_parties import openssl_judges
from tmsd.x509.crl import Bounds, Covered, Entry, Heading, Scope, builder
from tmsd.x509.public_keys import KeyKind

CA = authority()
NOW = CA.now
WEEK = timedelta(days=7)
URL, DELTA_URL = "http://crl.example/0.crl", "http://crl.example/0-delta.crl"
OTHER_URL = "http://crl.example/1.crl"
USERS = Scope((URL,), Covered.USER_CERTIFICATES)
HOLD, REMOVED = ReasonFlags.certificate_hold, ReasonFlags.remove_from_crl

BASE = Heading(number=5, this_update=NOW, next_update=NOW + WEEK, delta_url=DELTA_URL)
DELTA = replace(BASE, number=6, base_number=5, delta_url=None)
PARTITION = replace(BASE, scope=USERS)
PARTITION_DELTA = replace(DELTA, scope=USERS)
KINDS = {
    "full": replace(BASE, delta_url=None),
    "full with deltas": BASE,
    "partition": PARTITION,
    "delta": DELTA,
    "delta of a partition": PARTITION_DELTA,
}
# As `openssl crl -text` has them.
REASONS = {
    ReasonFlags.key_compromise: "Key Compromise",
    ReasonFlags.ca_compromise: "CA Compromise",
    ReasonFlags.affiliation_changed: "Affiliation Changed",
    ReasonFlags.superseded: "Superseded",
    ReasonFlags.cessation_of_operation: "Cessation Of Operation",
    ReasonFlags.certificate_hold: "Certificate Hold",
    ReasonFlags.privilege_withdrawn: "Privilege Withdrawn",
    ReasonFlags.aa_compromise: "AA Compromise",
}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def signed(heading: Heading, *entries: Entry, by: Authority = CA) -> x509.CertificateRevocationList:
    bounds = Bounds(now=by.now, longest=WEEK, most_entries=100)
    return by.scheme.sign_crl(builder(by.issuer, heading, entries, bounds), by.key)


def verified(
    certificate: x509.Certificate, crls: Sequence[x509.CertificateRevocationList], directory: Path
) -> str:
    return openssl_judges(certificate, crls, CA.certificate, directory)


def entry(certificate: x509.Certificate, reason: ReasonFlags = ReasonFlags.superseded) -> Entry:
    return Entry(certificate.serial_number, NOW, reason, NOW - WEEK)


EVERY_REASON = [
    Entry(number, NOW, reason, NOW - WEEK if number % 2 else None)
    for number, reason in enumerate((ReasonFlags.unspecified, *REASONS), start=1)
]


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_reads_every_reason_in_every_kind(kind: str, tmp_path: Path) -> None:
    file = pem(signed(KINDS[kind], *EVERY_REASON), tmp_path / "crl")
    authority_file = pem(CA.certificate, tmp_path / "ca.pem")
    read = run("openssl", "crl", "-in", file, "-noout", "-text", "-CAfile", authority_file)
    assert "verify OK" in read.stderr
    for words in REASONS.values():
        assert read.stdout.count(f"    {words}\n") == 1
    assert read.stdout.count("Serial Number:") == len(EVERY_REASON)
    assert read.stdout.count("Invalidity Date:") == 5


@pytest.mark.parametrize("kind", KINDS)
def test_gnutls_verifies_every_kind(kind: str, tmp_path: Path) -> None:
    file = pem(signed(KINDS[kind], *EVERY_REASON), tmp_path / "crl")
    read = run("certtool", "--crl-info", "--infile", file)
    assert f"Revoked certificates ({len(EVERY_REASON)})" in read.stdout
    authority_file = pem(CA.certificate, tmp_path / "ca.pem")
    verified = run(
        *("certtool", "--verify-crl", "--load-ca-certificate", authority_file, "--infile", file)
    )
    assert "Verified" in verified.stdout + verified.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_pkilint_finds_nothing(kind: str, tmp_path: Path) -> None:
    entries = EVERY_REASON
    if KINDS[kind].is_delta:
        entries = [*EVERY_REASON, Entry(99, NOW, REMOVED)]
    file = pem(signed(KINDS[kind], *entries), tmp_path / "crl")
    lint = Path(sys.executable).with_name("lint_crl")
    linted = run(lint, "lint", "--type", "CRL", "--profile", "PKIX", "-s", "NOTICE", file)
    assert linted.stdout.strip() == ""
    assert linted.returncode == 0


@pytest.mark.parametrize(
    ("key", "pss"),
    [
        (KeyKind.RSA_2048, False),
        (KeyKind.RSA_2048, True),
        (KeyKind.P_384, False),
        (KeyKind.ED25519, False),
    ],
)
def test_openssl_verifies_the_signature_of_every_kind_of_key(
    key: KeyKind, tmp_path: Path, *, pss: bool
) -> None:
    ca = authority(key, pss=pss)
    file = pem(signed(KINDS["full"], by=ca), tmp_path / "crl")
    authority_file = pem(ca.certificate, tmp_path / "ca.pem")
    assert "verify OK" in run("openssl", "crl", "-in", file, "-CAfile", authority_file).stderr


def test_openssl_refuses_a_certificate_that_is_listed_and_no_other(tmp_path: Path) -> None:
    revoked, good = CA.issue(), CA.issue()
    crl = signed(KINDS["full"], entry(revoked))
    assert verified(revoked, [crl], tmp_path) == "certificate revoked"
    assert verified(good, [crl], tmp_path) == "OK"


def test_openssl_relies_on_a_partition_for_its_own_certificates_alone(tmp_path: Path) -> None:
    revoked, good = CA.issue(crl_url=URL), CA.issue(crl_url=URL)
    elsewhere = CA.issue(crl_url=OTHER_URL)
    crl = signed(replace(PARTITION, delta_url=None), entry(revoked))
    assert verified(revoked, [crl], tmp_path) == "certificate revoked"
    assert verified(good, [crl], tmp_path) == "OK"
    assert verified(elsewhere, [crl], tmp_path) == "different CRL scope"


@pytest.mark.parametrize(
    ("base", "delta"), [(BASE, DELTA), (PARTITION, PARTITION_DELTA)], ids=["full", "partition"]
)
def test_openssl_reads_a_delta_over_its_base(base: Heading, delta: Heading, tmp_path: Path) -> None:
    before, since, released, good = (CA.issue(crl_url=URL) for _ in range(4))
    crls = [
        signed(base, entry(before), entry(released, HOLD)),
        signed(delta, entry(since), entry(released, REMOVED)),
    ]
    assert verified(since, crls[:1], tmp_path) == "OK"
    assert verified(released, crls[:1], tmp_path) == "certificate revoked"
    assert verified(before, crls, tmp_path) == "certificate revoked"
    assert verified(since, crls, tmp_path) == "certificate revoked"
    assert verified(released, crls, tmp_path) == "OK"
    assert verified(good, crls, tmp_path) == "OK"


def test_openssl_does_not_read_a_delta_of_another_base(tmp_path: Path) -> None:
    since = CA.issue()
    later = replace(DELTA, number=8, base_number=7)
    assert verified(since, [signed(BASE), signed(later, entry(since))], tmp_path) == "OK"
