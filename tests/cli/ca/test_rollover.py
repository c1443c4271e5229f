"""A root gets a new key: those who trust the old one are carried over by a cross-certificate."""

from pathlib import Path

import pytest

from tests.cli.ca.commands import request, told, tool
from tests.cli.key.commands import key
from tests.cli.sites import allow

SUBJECT = ("--subject", "CN=Old and New Root,O=Example,C=DE")
ROOT = """
[cas.root-{version}]
certificate = "cas/root-{version}.pem"
label = "root"
version = {version}
profiles = ["{profile}"]
"""
ISSUING = """
[cas.new]
certificate = "cas/new.pem"
profiles = ["tls-server"]
"""


def make_root(site: Path, version: str, profile: str) -> Path:
    named = ("--ca", "root", "--version", version, "--algorithm", "p256")
    assert key(site, "generate", *named).returncode == 0
    root = site / "cas" / f"root-{version}.pem"
    by = ("--label", "root", "--version", version)
    told(site, "make-root", *by, *SUBJECT, "--out", root, name=None)
    allow(site, ROOT.format(version=version, profile=profile))
    return root


@pytest.mark.timeout(300)  # a dozen commands, each with a worker of its own
def test_who_trusts_the_old_root_accepts_what_comes_below_the_new_one(
    site: Path, tmp_path: Path
) -> None:
    profiles = site / "profiles"
    ca_profile = (profiles / "subordinate-ca.toml").read_text()
    crossing = ca_profile.replace("path_length = 0", "path_length = 1")
    (profiles / "cross.toml").write_text(crossing)
    old, new = make_root(site, "1", "cross"), make_root(site, "2", "subordinate-ca")

    asked, cross = tmp_path / "cross.csr", tmp_path / "cross.pem"
    told(site, "request", "--label", "root", "--version", "2", *SUBJECT, "--out", asked, name=None)
    crossed = ("--profile", "cross", "--csr", asked, "--out", cross)
    told(site, "issue", *crossed, name="root-1")

    assert key(site, "generate", "--ca", "new", "--algorithm", "p256").returncode == 0
    asked, issuing = tmp_path / "new.csr", site / "cas" / "new.pem"
    told(site, "request", "--label", "new", "--subject", "CN=New", "--out", asked, name=None)
    alone = tmp_path / "new.pem"
    below = ("--profile", "subordinate-ca", "--csr", asked, "--out", alone)
    told(site, "issue", *below, name="root-2")
    issuing.write_bytes(alone.read_bytes() + new.read_bytes())
    allow(site, ISSUING)
    leaf = tmp_path / "leaf.pem"
    wanted = ("--profile", "tls-server", "--csr", request(tmp_path, "a.example"))
    told(site, "issue", *wanted, "--field", "dns=a.example", "--out", leaf, name="new")

    chain = ("-untrusted", alone)
    assert tool("openssl", "verify", "-CAfile", new, *chain, leaf).returncode == 0
    assert tool("openssl", "verify", "-CAfile", old, *chain, leaf).returncode != 0
    carried = tool("openssl", "verify", "-CAfile", old, *chain, "-untrusted", cross, leaf)
    assert carried.stdout == f"{leaf}: OK\n", carried.stderr
