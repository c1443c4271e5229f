"""`tmsctl key generate`: keys that nobody ever sees."""

import re
from pathlib import Path

from tests.cli.key.commands import DOGTAG, TRANSPORT_KEY, key, listed
from tests.cli.sites import allow


def test_a_master_key_is_generated_with_the_key_sets_algorithm(site: Path) -> None:
    done = key(site, "generate", "--key-set", "old", "--version", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Generated key 'old' version 1: des3 (3-key), KCV ")
    shown = done.stdout.split()[-1]
    assert ["old", "1", "des3 (3-key)", shown, "key set old (active)", "right"] in listed(site)
    again = key(site, "generate", "--key-set", "old", "--version", "1", "--algorithm", "des3")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "Error: key 'old' version 1 is in the token already\n"
    other = key(site, "generate", "--key-set", "old", "--version", "2", "--algorithm", "aes128")
    assert other.returncode == 1
    assert "is des3 in the policy, not aes128" in other.stderr


def test_a_key_of_the_daemon_gets_its_next_version(site: Path) -> None:
    done = key(site, "generate", "--service", "channel")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "Generated key 'tmsd-channel' version 2: aes256"
    assert ["tmsd-channel", "2", "aes256", "-", "the daemon", "right"] in listed(site)


def test_a_transport_key_is_generated_in_the_version_to_come(site: Path) -> None:
    allow(site, TRANSPORT_KEY)
    done = key(site, "generate", "--transport-key", "tps", "--version", "3")
    assert (done.returncode, done.stderr) == (0, "")
    made, *notes = done.stdout.splitlines()
    assert re.fullmatch(
        r"Generated key 'for the TPS' version 3: des3 \(3-key\), KCV [0-9a-f]{6}", made
    )
    assert notes == [
        (
            "No copy of it leaves the HSM: a caller that does not share this HSM needs a key "
            "of components, which tmsctl key import takes."
        ),
        (
            f"Transport key tps has version 2 in {site}/policy.toml: "
            "say version = 3 there, and that one is used."
        ),
    ]


def test_a_master_key_for_hmac_is_generated_without_a_check_value(site: Path) -> None:
    allow(site, DOGTAG)
    done = key(site, "generate", "--key-set", "dogtag", "--version", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Generated key 'dogtag' version 1: secret (32 bytes)\n"
