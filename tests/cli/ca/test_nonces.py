"""Setting up nonces step by step: a token of its own, its key, the certificate, the policy."""

import subprocess
from pathlib import Path

from click.testing import CliRunner
from cryptography import x509

from tests.cli.ca.commands import told
from tests.cli.key.commands import key
from tests.cli.sites import allow, tmsctl
from tmsd.cli.hsm import hsm
from tmsd.config.daemon import load_daemon_config

TOKEN = """
[ocsp.nonces]
socket = "n"

[ocsp.nonces.hsm]
module = "{module}"
token_label = "nonces"
pin_file = "credentials/nonces-pin"
environment = {{ SOFTHSM2_CONF = "{configuration}" }}
"""
NONCES = """
[cas.demo.ocsp.nonces]
certificate = "cas/demo-nonces.pem"
label = "demo-nonces"
"""
PIN = "0123456789"


def make_token(site: Path) -> None:
    """Make a token for nonces beside that of the site, and name it in tmsd.toml."""
    config = load_daemon_config(site / "tmsd.toml").hsm
    pin = site / "credentials" / "nonces-pin"
    pin.write_text(PIN)
    pin.chmod(0o400)
    command = ("softhsm2-util", "--init-token", "--free", "--label", "nonces")
    pins = ("--so-pin", "so-" + PIN, "--pin", PIN)
    subprocess.run([*command, *pins], env=config.environment, capture_output=True, check=True)
    configuration = config.environment["SOFTHSM2_CONF"]
    with (site / "tmsd.toml").open("a") as file:
        file.write(TOKEN.format(module=config.module, configuration=configuration))


def test_a_ca_gets_a_key_for_nonces_in_a_token_of_its_own(site: Path, tmp_path: Path) -> None:
    make_token(site)
    done = key(site, "generate", "--nonces", "demo", "--algorithm", "p256")
    assert (done.returncode, done.stderr) == (0, "")
    assert "It signs OCSP responses with nonces of CA demo.\n" in done.stdout

    asked, certificate = tmp_path / "nonces.csr", site / "cas" / "demo-nonces.pem"
    wanted = ("--nonces", "--label", "demo-nonces", "--subject", "CN=Demo nonces", "--out", asked)
    told(site, "request", *wanted, name=None)
    profile = ("--profile", "ocsp-signing", "--days", "7")
    told(site, "issue", *profile, "--csr", asked, "--out", certificate, name="demo")
    allow(site, NONCES)
    checked = tmsctl("check", "config", site)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"token 'nonces' for nonces, by a worker at {site}/n" in checked.stdout
    assert "nonces by key 'demo-nonces' version 1" in checked.stdout

    listed = key(site, "list", "--nonces")
    (headings, row) = (line.split() for line in listed.stdout.splitlines())
    assert (headings[0], row[:3], row[-1]) == ("LABEL", ["demo-nonces", "1", "p256"], "right")
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert (read.not_valid_after_utc - read.not_valid_before_utc).days <= 7


def test_the_latch_of_that_token_is_its_own(site: Path) -> None:
    make_token(site)
    own = site / "ocsp-hsm-pin.latch"
    command = ["unlatch", "--config", str(site / "tmsd.toml"), "--yes"]
    assert CliRunner().invoke(hsm, command).exit_code == 0
    assert not own.exists()
    assert CliRunner().invoke(hsm, [*command, "--nonces"]).exit_code == 0
    assert own.exists()


def test_without_a_token_for_nonces_there_is_no_key_for_them(site: Path) -> None:
    done = key(site, "generate", "--nonces", "demo", "--algorithm", "p256")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: {site}/tmsd.toml: ocsp.nonces: must name a token\n"
