"""A root gets a new key: those who trust either are carried over by cross-certificates."""

from pathlib import Path

import pytest

from tests.cli.ca.commands import ca, recorded, refusal, request, told, tool
from tests.cli.key.commands import key
from tests.cli.sites import allow

SUBJECT = ("--subject", "CN=Old and New Root,O=Example,C=DE")
ROOT = """
[cas.root-{version}]
certificate = "cas/root-{version}.pem"
label = "root"
version = {version}
profiles = ["subordinate-ca", "cross-certificate", "tls-server"]
"""
ISSUING = """
[cas.new]
certificate = "cas/new.pem"
profiles = ["tls-server"]
"""


def make_root(site: Path, version: str) -> Path:
    named = ("--ca", "root", "--version", version, "--algorithm", "p256")
    assert key(site, "generate", *named).returncode == 0
    root = site / "cas" / f"root-{version}.pem"
    by = ("--label", "root", "--version", version)
    told(site, "make-root", *by, *SUBJECT, "--out", root, name=None)
    allow(site, ROOT.format(version=version))
    return root


def cross(site: Path, by: str, other: Path, out: Path) -> Path:
    asked = ("--profile", "cross-certificate", "--certificate", other, "--out", out)
    assert "CN=Old and New Root,O=Example,C=DE" in told(site, "cross", *asked, name=by)
    return out


def server(site: Path, folder: Path, by: str) -> Path:
    leaf = folder / f"{by}-leaf.pem"
    wanted = ("--profile", "tls-server", "--csr", request(folder, "a.example"))
    told(site, "issue", *wanted, "--field", "dns=a.example", "--out", leaf, name=by)
    return leaf


def trusts(root: Path, leaf: Path, *chain: Path) -> bool:
    above = [argument for each in chain for argument in ("-untrusted", each)]
    done = tool("openssl", "verify", "-x509_strict", "-CAfile", root, *above, leaf)
    return done.stdout == f"{leaf}: OK\n"


@pytest.mark.timeout(300)  # a dozen commands, each with a worker of its own
def test_who_trusts_one_root_accepts_what_comes_below_the_other(site: Path, tmp_path: Path) -> None:
    old, new = make_root(site, "1"), make_root(site, "2")
    new_with_old = cross(site, "root-1", new, tmp_path / "new-with-old.pem")
    old_with_new = cross(site, "root-2", old, tmp_path / "old-with-new.pem")
    assert [record["operation"] for record in recorded(site)[-4:]] == [
        *("ca.cross.intent", "ca.cross") * 2
    ]

    assert key(site, "generate", "--ca", "new", "--algorithm", "p256").returncode == 0
    asked, issuing = tmp_path / "new.csr", site / "cas" / "new.pem"
    told(site, "request", "--label", "new", "--subject", "CN=New", "--out", asked, name=None)
    alone = tmp_path / "new.pem"
    below = ("--profile", "subordinate-ca", "--csr", asked, "--out", alone)
    told(site, "issue", *below, name="root-2")
    issuing.write_bytes(alone.read_bytes() + new.read_bytes())
    allow(site, ISSUING)

    leaf = server(site, tmp_path, "new")
    assert trusts(new, leaf, alone)
    assert trusts(old, leaf, alone, new_with_old)
    assert not trusts(old, leaf, alone)

    leaf = server(site, tmp_path, "root-1")
    assert trusts(old, leaf)
    assert trusts(new, leaf, old_with_new)
    assert not trusts(new, leaf)


def test_a_ca_that_does_not_show_that_it_holds_its_key_is_refused(
    site: Path, tmp_path: Path
) -> None:
    policy = site / "policy.toml"
    policy.write_text(policy.read_text().replace('"subordinate-ca"', '"cross-certificate"'))
    out = tmp_path / "out.pem"
    asked = ("--profile", "cross-certificate", "--certificate", site / "cas" / "demo.pem")
    said = refusal(ca(site, "cross", *asked, "--out", out, name="demo-root"))

    assert said.startswith("issuance-refused: crossed-not-proven: ")
    assert not out.exists()
    made = recorded(site)[-1]
    assert (made["operation"], made["code"]) == ("ca.cross", "issuance-refused")


def test_what_is_no_certificate_is_refused_before_anybody_is_asked(
    site: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.pem"
    asked = ("--profile", "cross-certificate", "--certificate", site / "policy.toml")
    said = refusal(ca(site, "cross", *asked, "--out", out, name="demo-root"))
    assert said == f"{site / 'policy.toml'}: must begin with a certificate in PEM"
