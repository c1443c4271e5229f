"""`tmsctl ca issue` and `chain`: certificates that other people's tools accept."""

import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.ca.commands import (
    ca,
    document,
    issued,
    recorded,
    refusal,
    request,
    told,
    tool,
    verified,
)
from tests.cli.sites import tmsctl
from tests.terminal import PATIENCE, TMSCTL

ISSUE = ("--profile", "token-authentication")


def test_a_certificate_is_issued_that_openssl_and_gnutls_accept(site: Path, tmp_path: Path) -> None:
    certificate, serial_number = issued(site, tmp_path)

    assert verified(site, certificate).stdout == f"{certificate}: OK\n"
    chain = tmp_path / "whole.pem"
    told(site, "chain", "--out", tmp_path / "chain.pem")
    chain.write_bytes(certificate.read_bytes() + (tmp_path / "chain.pem").read_bytes())
    trust = ("--load-ca-certificate", site / "cas" / "demo-root.pem")
    checked = tool("certtool", "--verify", *trust, "--infile", chain)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert f"{read.serial_number:032x}" == serial_number
    assert certificate.stat().st_mode & 0o777 == 0o644


def test_a_certificate_says_where_its_crl_its_responder_and_its_issuer_are(
    site: Path, tmp_path: Path
) -> None:
    certificate, _ = issued(site, tmp_path)

    shown = tool("openssl", "x509", "-in", certificate, "-noout", "-text").stdout
    for url in ("crl/demo.crl", "ocsp", "ca/demo.cer"):
        assert f"URI:http://127.0.0.1:8480/{url}\n" in shown


def test_fields_and_days_are_what_was_said(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pem"
    fields = ("--field", "common_name=Bob", "--field", "email=a@b.example", "--days", "10")
    told(site, "issue", *ISSUE, "--csr", request(tmp_path), *fields, "--out", out)

    read = x509.load_pem_x509_certificate(out.read_bytes())
    assert read.subject.rfc4514_string() == "CN=Bob"
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == ["a@b.example"]
    lasts = read.not_valid_after_utc - read.not_valid_before_utc
    assert lasts == timedelta(days=10, seconds=-1)  # both seconds belong to it


def test_what_no_caller_can_have_comes_from_the_appliance(site: Path, tmp_path: Path) -> None:
    certificate, _ = issued(site, tmp_path, "Officer", "officer")

    assert verified(site, certificate, "-purpose", "sslclient").returncode == 0


def test_a_file_that_is_there_is_replaced_and_its_folder_is_left_tidy(
    site: Path, tmp_path: Path
) -> None:
    (tmp_path / "Alice.pem").write_text("old")

    certificate, _ = issued(site, tmp_path)

    assert verified(site, certificate).returncode == 0
    assert {file.name for file in tmp_path.iterdir()} == {"Alice.csr", "Alice.pem"}


def test_a_device_is_written_to_as_it_is(site: Path, tmp_path: Path) -> None:
    asked = ("--csr", request(tmp_path), "--out", "/dev/stdout")

    assert "-----BEGIN CERTIFICATE-----" in told(site, "issue", *ISSUE, *asked)


@pytest.mark.parametrize(
    ("name", "profile", "words"),
    [
        ("absent", "token-authentication", "ca-unknown: there is no CA 'absent'"),
        ("demo", "absent", "profile-unknown: demo has no profile 'absent'; it has token-"),
        ("demo-root", "tls-server", "profile-unknown: demo-root has no profile 'tls-server'"),
    ],
)
def test_a_ca_or_a_profile_that_is_not_there_is_refused(
    site: Path, tmp_path: Path, name: str, profile: str, words: str
) -> None:
    out = tmp_path / "out.pem"
    asked = ("--profile", profile, "--csr", request(tmp_path), "--out", out)

    assert refusal(ca(site, "issue", *asked, name=name)).startswith(words)
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Expected `bytes` of length >= 1 - at `proof.csr`"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n!", "csr-malformed"),
        (b"0" * 20_000, "Expected `bytes` of length <= 16384 - at `proof.csr`"),
    ],
)
def test_a_request_that_is_none_is_refused_by_what_is_wrong(
    site: Path, tmp_path: Path, content: bytes, words: str
) -> None:
    asked, out = tmp_path / "bad.csr", tmp_path / "out.pem"
    asked.write_bytes(content)

    assert words in refusal(ca(site, "issue", *ISSUE, "--csr", asked, "--out", out))
    assert not out.exists()


def test_a_request_that_is_not_there_is_refused(site: Path, tmp_path: Path) -> None:
    asked = ("--csr", tmp_path / "absent.csr", "--out", tmp_path / "out.pem")

    said = refusal(ca(site, "issue", *ISSUE, *asked))

    assert said == f"{tmp_path}/absent.csr: No such file or directory"


def test_nothing_is_issued_that_could_not_be_written(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "absent" / "out.pem"

    said = refusal(ca(site, "issue", *ISSUE, "--csr", request(tmp_path), "--out", out))

    assert said.endswith(": No such file or directory")
    assert document(site, "search", "--subject", "Alice")["certificates"] == []


def test_a_key_that_has_a_certificate_is_refused_and_by_which(site: Path, tmp_path: Path) -> None:
    _, serial_number = issued(site, tmp_path)
    asked = ("--csr", tmp_path / "Alice.csr", "--out", tmp_path / "again.pem")

    said = refusal(ca(site, "issue", *ISSUE, *asked))

    assert f"key-in-use: the key has the certificate {serial_number} of demo" in said


def test_a_wrong_pin_is_one_line_and_is_not_tried_again(site: Path, tmp_path: Path) -> None:
    pin = site / "credentials" / "hsm-pin"
    pin.chmod(0o600)
    pin.write_text("0000-wrong-0000")
    pin.chmod(0o400)
    asked = (*ISSUE, "--csr", request(tmp_path), "--out", tmp_path / "out.pem")

    first, again = (refusal(ca(site, "issue", *asked)) for _ in range(2))

    assert "PIN" in first
    assert "unlatch" in again


def test_what_is_issued_is_on_the_record_of_tmsctl(site: Path, tmp_path: Path) -> None:
    _, serial_number = issued(site, tmp_path)

    intent, outcome = recorded(site)[-2:]
    for record, operation in ((intent, "ca.issue.intent"), (outcome, "ca.issue")):
        details = record["details"]
        assert isinstance(details, dict)
        assert details["serial_number"] == serial_number
        told_of = (record["operation"], record["caller"], record["outcome"])
        assert told_of == (operation, "appliance", "allowed")
    record_file = site / "audit" / "tmsd.tmsctl.jsonl"
    checked = tmsctl("audit", "verify", "--config", site / "tmsd.toml", record_file)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_a_kill_at_any_time_leaves_a_store_that_goes_on_and_no_half_a_file(
    site: Path, tmp_path: Path, lines: int
) -> None:
    record = site / "audit" / "tmsd.tmsctl.jsonl"
    before = len(record.read_bytes().splitlines())
    out = tmp_path / "killed.pem"
    asked = ("--ca", "demo", *ISSUE, "--csr", request(tmp_path, "Killed"), "--out", out)
    command = (TMSCTL, "ca", "issue", "--config", site / "tmsd.toml", *asked)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        # Killed at the start, or once so many records of it are on the disk.
        while process.poll() is None and len(record.read_bytes().splitlines()) < before + lines:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)

    if out.exists():
        assert verified(site, out).returncode == 0
    certificate, _ = issued(site, tmp_path)
    assert verified(site, certificate).returncode == 0
    found = document(site, "search", "--subject", "Killed")["certificates"]
    assert isinstance(found, list)
    assert len(found) <= 1
    checked = tmsctl("audit", "verify", record)
    assert checked.returncode == 0, checked.stdout
