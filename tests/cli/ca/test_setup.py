"""`tmsctl ca make-root` and `request`: CAs set up step by step, without quickstart."""

from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.ca.commands import ca, recorded, refusal, request, told, tool
from tests.cli.key.commands import key
from tests.cli.sites import allow, tmsctl

ROOT = """
[cas.new-root]
certificate = "cas/new-root.pem"
label = "new root"
pss = {pss}
profiles = ["subordinate-ca"]
"""
ISSUING = """
[cas.new]
certificate = "cas/new.pem"
profiles = ["tls-server", "ocsp-signing"]
"""


def generated(site: Path, algorithm: str, *names: str) -> None:
    done = key(site, "generate", "--algorithm", algorithm, *names)
    assert (done.returncode, done.stderr) == (0, "")


def make_root(site: Path, *arguments: str, subject: str = "CN=New Root,O=Example,C=DE") -> Path:
    out = site / "cas" / "new-root.pem"
    told(
        site,
        "make-root",
        "--label",
        "new root",
        "--subject",
        subject,
        *arguments,
        "--out",
        out,
        name=None,
    )
    return out


@pytest.mark.parametrize(("algorithm", "pss"), [("p384", False), ("rsa3072", True)])
def test_a_root_an_issuing_ca_and_what_it_issues(
    site: Path, tmp_path: Path, algorithm: str, pss: bool
) -> None:
    generated(site, algorithm, "--ca", "new-root", "--label", "new root")
    generated(site, "p256", "--ca", "new")
    root = make_root(site, "--days", "7300", "--path-length", "1", *["--pss"] * pss)
    allow(site, ROOT.format(pss=str(pss).lower()))

    asked, issuing = tmp_path / "new.csr", site / "cas" / "new.pem"
    told(site, "request", "--label", "new", "--subject", "CN=New", "--out", asked, name=None)
    profile = ("--profile", "subordinate-ca")
    told(site, "issue", *profile, "--csr", asked, "--out", issuing, name="new-root")
    issuing.write_bytes(issuing.read_bytes() + root.read_bytes())
    allow(site, ISSUING)

    leaf = tmp_path / "leaf.pem"
    wanted = ("--profile", "tls-server", "--csr", request(tmp_path, "a.example"))
    told(site, "issue", *wanted, "--field", "dns=a.example", "--out", leaf, name="new")
    trust = ("-x509_strict", "-CAfile", root, "-untrusted", issuing)
    checked = tool("openssl", "verify", *trust, "-purpose", "sslserver", leaf)
    assert checked.stdout == f"{leaf}: OK\n", checked.stderr
    read = x509.load_pem_x509_certificate(root.read_bytes())
    assert read.subject.rfc4514_string() == "CN=New Root,O=Example,C=DE"
    assert (read.not_valid_after_utc - read.not_valid_before_utc).days == 7299
    shown = tool("openssl", "x509", "-in", root, "-noout", "-text").stdout
    assert ("rsassaPss" in shown) is pss


def test_roots_and_requests_are_on_the_record_of_tmsctl(site: Path, tmp_path: Path) -> None:
    generated(site, "p256", "--ca", "new-root", "--label", "new root")
    root = x509.load_pem_x509_certificate(make_root(site).read_bytes())
    asked = ("--label", "new root", "--subject", "CN=New", "--out", tmp_path / "new.csr")
    told(site, "request", *asked, name=None)

    made, requested = (str(record) for record in recorded(site)[-2:])
    assert "'ca.make-root'" in made
    assert f"{root.serial_number:032x}" in made
    assert "'ca.request'" in requested
    assert "'new root:1'" in requested
    checked = tmsctl("audit", "verify", site / "audit" / "tmsd.tmsctl.jsonl")
    assert checked.returncode == 0, checked.stdout
    verified = tool("openssl", "req", "-in", asked[-1], "-noout", "-verify")
    assert "verify OK" in verified.stderr + verified.stdout  # before and since OpenSSL 3.4


def test_a_key_that_is_not_there_is_refused(site: Path, tmp_path: Path) -> None:
    for command in ("make-root", "request"):
        asked = ("--label", "absent", "--subject", "CN=New", "--out", tmp_path / "out.pem")
        said = refusal(ca(site, command, *asked, name=None))
        assert said == "key 'absent' version 1: it is not in the token"
    assert not (tmp_path / "out.pem").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--subject", ""),
        ("--subject", "New Root"),
        ("--subject", "C=DEU"),
        ("--subject", "CN=New", "--days", "0"),
        ("--subject", "CN=New", "--path-length", "-1"),
        ("--subject", "CN=New", "--version", "256"),
    ],
)
def test_a_root_that_could_not_be_exits_2(
    quickstart_site: Path, arguments: tuple[str, ...]
) -> None:
    out = quickstart_site.parent / "out.pem"
    done = ca(quickstart_site, "make-root", "--label", "x", *arguments, "--out", out, name=None)

    assert (done.returncode, done.stdout) == (2, "")
    assert not out.exists()
