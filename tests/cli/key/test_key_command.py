"""`tmsctl key`: its list, what it takes for a key of the policy, and what can go wrong."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.key.commands import kcv, key, listed
from tests.cli.sites import allow
from tmsd.cli import main

THREE_MASTER_KEYS = """
[key_sets.three]
scp = "03"
master_keys = { enc = "three-enc", mac = "three-mac", dek = "three-dek" }
algorithm = "aes128"
diversification = "gp-kmc"
versions = { 1 = "active" }
"""


def test_the_list_shows_what_is_there_and_what_is_missing(site: Path) -> None:
    table = listed(site)
    assert table[0] == ["LABEL", "VERSION", "ALGORITHM", "KCV", "USED BY", "STATE"]
    assert [row[:3] + row[4:] for row in table[1:]] == [
        ["demo", "1", "aes256", "key set demo (active)", "right"],
        ["fresh", "255", "-", "key set fresh (active)", "missing"],
        ["old", "1", "-", "key set old (active)", "missing"],
        ["tmsd-certificate", "1", "aes256", "the daemon", "right"],
        ["tmsd-challenge", "1", "aes256", "the daemon", "right"],
        ["tmsd-channel", "1", "aes256", "the daemon", "right"],
        ["tmsd-receipt", "1", "aes256", "the daemon", "right"],
    ]


def test_each_role_has_its_own_master_key_where_the_key_set_says_so(site: Path) -> None:
    allow(site, THREE_MASTER_KEYS)
    value = os.urandom(16)
    named = ["--key-set", "three", "--version", "1"]
    done = key(site, "import", *named, "--role", "enc", "--algorithm", "aes128", stdin=value.hex())
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Imported key 'three-enc' version 1: aes128, KCV {kcv(value, 'aes128')}" in done.stdout
    assert key(site, "generate", *named, "--role", "mac").returncode == 0
    assert [row[0::4] + row[5:] for row in listed(site) if row[0].startswith("three")] == [
        ["three-dek", "key set three dek (active)", "missing"],
        ["three-enc", "key set three enc (active)", "right"],
        ["three-mac", "key set three mac (active)", "right"],
    ]
    policy = site / "policy.toml"
    head, table, three = policy.read_text().partition("[key_sets.three]")
    policy.write_text(head + table + three.replace('"active"', '"retired"'))
    done = key(site, "destroy", *named, "--role", "mac", "--yes")
    assert done.stdout.startswith("Destroyed key 'three-mac' version 1: aes128, KCV ")


@pytest.mark.parametrize("command", ["import", "generate", "destroy"])
@pytest.mark.parametrize(
    ("named", "refusal"),
    [
        (
            ["--key-set", "three", "--version", "1"],
            "key set three has a master key for each role: say whether enc, mac or dek is meant",
        ),
        (
            ["--key-set", "demo", "--version", "1", "--role", "dek"],
            "key set demo has one master key for all roles: name no role",
        ),
        (["--transport-key", "demo"], "has no transport key 'demo', only none: add it there first"),
    ],
)
def test_a_key_that_is_not_named_as_the_policy_has_it_is_refused(
    site: Path, command: str, named: list[str], refusal: str
) -> None:
    allow(site, THREE_MASTER_KEYS)
    algorithm = ["--algorithm", "aes128"] if command == "import" else []
    done = key(site, command, *named, *algorithm, stdin="not looked at")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{refusal}\n")


@pytest.mark.parametrize(
    ("file", "change", "refusal"),
    [
        ("tmsd.toml", ("[hsm]", "[hms]"), "tmsd.toml:15: hms: is not a key of this table"),
        ("policy.toml", ('"aes256"', '"aes64"'), "'aes64' is not one of aes128, aes192"),
        ("tmsd.toml", ("tmsd-development", "another"), "token 'another' of /"),
        ("tmsd.toml", ("credentials/hsm-pin", "nowhere"), "nowhere: No such file or directory"),
        ("tmsd.toml", ("softhsm2.so", "absent.so"), "PKCS#11 module /"),
    ],
)
def test_what_can_go_wrong_is_one_message_and_no_traceback(
    site: Path, file: str, change: tuple[str, str], refusal: str
) -> None:
    text = (site / file).read_text()
    assert change[0] in text
    (site / file).write_text(text.replace(*change))
    done = key(site, "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert refusal in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_pin_is_refused_and_not_shown(site: Path) -> None:
    pin_file = site / "credentials" / "hsm-pin"
    pin_file.chmod(0o600)
    pin_file.write_text("a wrong PIN")
    pin_file.chmod(0o400)
    done = key(site, "list")
    assert done.returncode == 1
    assert "refused the PIN; correct it before the next try" in done.stderr


def test_a_missing_configuration_is_said_to_be_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(main.tmsctl, ["key", "list", "--config", str(tmp_path / "none.toml")])
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        done.stderr == f"Error: {tmp_path}/none.toml: cannot be read: No such file or directory\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["import", "--config", "x", "--key-set", "demo", "--version", "2"],
        ["import", "--config", "x", "--key-set", "a", "--version", "0", "--algorithm", "aes128"],
        ["import", "--config", "x", "--key-set", "a", "--version", "256", "--algorithm", "aes128"],
        ["import", "--config", "x", "--key-set", "a", "--version", "2", "--algorithm", "aes"],
        ["generate", "--config", "x"],
        ["generate", "--config", "x", "--key-set", "demo"],
        ["generate", "--config", "x", "--service", "channel", "--key-set", "demo"],
        ["generate", "--config", "x", "--service", "pilot"],
        ["generate", "--config", "x", "--service", "channel", "--version", "3"],
        ["destroy", "--config", "x", "--key-set", "demo"],
        ["destroy", "--config", "x", "--key-set", "a", "--version", "1", "--transport-key", "b"],
        ["destroy", "--config", "x", "--version", "1"],
        ["destroy", "--config", "x", "--transport-key", "b", "--role", "enc"],
        ["destroy", "--config", "x", "--key-set", "a", "--version", "1", "--role", "kek"],
        ["import", "--config", "x", "--transport-key", "b"],
        ["generate", "--config", "x", "--transport-key", "b", "--service", "channel"],
        ["generate", "--config", "x", "--service", "channel", "--role", "enc"],
        ["generate", "--config", "x", "--ca", "demo"],
        ["generate", "--config", "x", "--ca", "demo", "--algorithm", "aes256"],
        ["generate", "--config", "x", "--ca", "demo", "--algorithm", "rsa1024"],
        ["generate", "--config", "x", "--ca", "a", "--ocsp", "b", "--algorithm", "p256"],
        ["generate", "--config", "x", "--label", "a", "--algorithm", "p256"],
        ["generate", "--config", "x", "--ca", "a", "--key-set", "b", "--algorithm", "p256"],
        ["generate", "--config", "x", "--ca", "a", "--algorithm", "p256", "--service", "channel"],
        ["generate", "--config", "x", "--key-set", "a", "--version", "1", "--algorithm", "p256"],
        ["import", "--config", "x", "--ca", "a", "--algorithm", "p256"],
        ["destroy", "--config", "x", "--ca", "a", "--transport-key", "b"],
        ["destroy", "--config", "x", "--label", "a"],
    ],
)
def test_a_wrong_command_line_exits_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(main.tmsctl, ["key", *arguments])
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_every_command_is_there_and_explains_itself() -> None:
    for name in ("audit", "check", "key", "quickstart"):
        done = CliRunner().invoke(main.tmsctl, [name, "--help"])
        assert (done.exit_code, done.stderr) == (0, "")
    version = CliRunner().invoke(main.tmsctl, ["--version"])
    assert version.stdout.startswith("tmsctl, version ")
