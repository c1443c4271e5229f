"""`tmsctl key` for the key pairs of CAs and responders."""

import re
from pathlib import Path

import pytest

from tests.cli.key.commands import key
from tests.cli.sites import allow, deny

MADE = r"Generated key '{}' version {}: {}, SPKI SHA-256 ([0-9a-f]{{64}})"


def listed_pairs(site: Path) -> list[list[str]]:
    """Return the lines of the second table of `tmsctl key list`, cut into cells."""
    done = key(site, "list")
    assert (done.returncode, done.stderr) == (0, "")
    _, _, table = done.stdout.partition("\n\n")
    return [re.split(r" {2,}", line) for line in table.splitlines()]


def generated(site: Path, label: str, version: int, algorithm: str, *arguments: str) -> str:
    """Generate a key pair and return its hash."""
    done = key(site, "generate", "--algorithm", algorithm, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    made = re.match(MADE.format(label, version, algorithm), done.stdout)
    assert made
    return made[1]


def test_a_site_without_key_pairs_has_no_table_of_them(site: Path) -> None:
    assert listed_pairs(site) == []


def test_key_pairs_are_generated_and_listed(site: Path) -> None:
    hashes = [
        generated(site, "demo", 1, "p384", "--ca", "demo"),
        generated(site, "demo", 2, "rsa2048", "--ca", "demo", "--version", "2"),
        generated(site, "demo-ocsp", 1, "p256", "--ocsp", "demo"),
        generated(
            site, "the root", 7, "ed25519", "--ca", "r", "--label", "the root", *["--version", "7"]
        ),
    ]

    assert len(set(hashes)) == 4
    assert listed_pairs(site) == [
        ["LABEL", "VERSION", "ALGORITHM", "SPKI SHA-256", "STATE"],
        ["demo", "1", "p384", hashes[0], "right"],
        ["demo", "2", "rsa2048", hashes[1], "right"],
        ["demo-ocsp", "1", "p256", hashes[2], "right"],
        ["the root", "7", "ed25519", hashes[3], "right"],
    ]


TABLES = """
[cas.new]
certificate = "not-there-yet.pem"
label = "the root"
version = 3

[cas.new.ocsp]
certificate = "not-there-yet.pem"
label = "answering"
"""


def test_label_and_version_are_those_of_the_policy_before_there_is_a_certificate(
    site: Path,
) -> None:
    allow(site, TABLES)
    generated(site, "the root", 3, "p256", "--ca", "new")
    generated(site, "answering", 1, "p256", "--ocsp", "new")
    generated(site, "the root", 4, "p256", "--ca", "new", "--version", "4")

    done = key(site, "destroy", "--ca", "new", "--yes")
    assert done.stdout.startswith("Destroyed key 'the root' version 3: ")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--ca", "It signs certificates and CRLs of CA demo."),
        ("--ocsp", "It signs OCSP responses of CA demo."),
    ],
)
def test_it_is_told_what_a_new_pair_signs(site: Path, option: str, told: str) -> None:
    done = key(site, "generate", option, "demo", "--algorithm", "p256")

    assert done.stdout.splitlines()[1:] == [told]


def test_a_pair_is_not_made_over_another(site: Path) -> None:
    generated(site, "demo", 1, "p256", "--ca", "demo")

    done = key(site, "generate", "--ca", "demo", "--algorithm", "p384")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: key 'demo' version 1 is in the token already\n"


@pytest.mark.parametrize("answer", ["hash", "demo-ocsp:1"])
def test_both_halves_are_destroyed_when_the_hash_or_the_name_is_typed(
    site: Path, answer: str
) -> None:
    shown = generated(site, "demo-ocsp", 1, "p256", "--ocsp", "demo")
    typed = shown if answer == "hash" else answer

    done = key(site, "destroy", "--ocsp", "demo", stdin=f"{typed}\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Without it, OCSP responses of CA demo are signed no more.\n" in done.stdout
    assert f"Destroyed key 'demo-ocsp' version 1: p256, SPKI SHA-256 {shown}\n" in done.stdout
    assert listed_pairs(site) == []
    generated(site, "demo-ocsp", 1, "p256", "--ocsp", "demo")


@pytest.mark.parametrize("answer", ["yes\n", "demo\n", ""])
def test_any_other_answer_destroys_no_pair(site: Path, answer: str) -> None:
    generated(site, "demo", 1, "p256", "--ca", "demo")

    done = key(site, "destroy", "--ca", "demo", stdin=answer)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [row[-1] for row in listed_pairs(site)[1:]] == ["right"]


def test_the_master_key_of_the_same_name_stays(site: Path) -> None:
    generated(site, "demo", 1, "p256", "--ca", "demo")

    done = key(site, "destroy", "--ca", "demo", "--yes")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    rows = [line.split() for line in key(site, "list").stdout.splitlines()]
    assert ["demo", "1", "aes256"] in [row[:3] for row in rows]
    again = key(site, "destroy", "--ca", "demo", "--yes")
    assert again.stderr == "Error: key 'demo' version 1: it is not in the token\n"


def test_a_pair_that_the_token_does_not_sign_with_is_not_left_behind(site: Path) -> None:
    generated(site, "demo", 1, "p256", "--ca", "demo")
    deny(site, "CKM_ECDSA")

    done = key(site, "generate", "--ca", "other", "--algorithm", "p256")

    assert (done.returncode, done.stdout) == (1, "")
    refusal = "key 'other' version 1: the token does not sign with CKM_ECDSA"
    assert done.stderr == f"Error: {refusal}\n"
    told = "the token does not sign with it"
    assert listed_pairs(site)[1:] == [["demo", "1", "-", "-", told]]
