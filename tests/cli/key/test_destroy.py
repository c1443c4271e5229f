"""`tmsctl key destroy`, once it is said twice what is meant."""

from pathlib import Path

import pytest

from tests.cli.key.commands import TRANSPORT_KEY, key, listed
from tests.cli.sites import allow

TPS = ("--transport-key", "tps")


def change(site: Path, before: str, after: str) -> None:
    """Replace what stands in the policy once."""
    policy = site / "policy.toml"
    text = policy.read_text()
    assert text.count(before) == 1
    policy.write_text(text.replace(before, after))


def retire_demo(site: Path) -> None:
    change(site, 'versions = { 1 = "active" }\n#', 'versions = { 1 = "retired" }\n#')


@pytest.mark.parametrize("answer", ["KCV", "demo:1"])
def test_a_key_is_destroyed_when_its_check_value_or_its_name_is_typed(
    site: Path, answer: str
) -> None:
    retire_demo(site)
    [shown] = [row[3] for row in listed(site) if row[0] == "demo"]
    typed = shown.upper() if answer == "KCV" else answer
    done = key(site, "destroy", "--key-set", "demo", "--version", "1", stdin=f"{typed}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Cards that were last seen with it: none\n" in done.stdout
    assert f"Destroyed key 'demo' version 1: aes256, KCV {shown}\n" in done.stdout
    assert [row for row in listed(site) if row[0] == "demo"] == []


def test_a_transport_key_is_destroyed_when_its_name_is_typed(site: Path) -> None:
    allow(site, TRANSPORT_KEY)
    assert key(site, "generate", "--transport-key", "tps").returncode == 0
    change(site, "version = 2", "version = 3")
    done = key(site, "destroy", "--transport-key", "tps", "--version", "2", stdin="For the TPS:2\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert ["for the TPS", "3", "-", "-", "transport key tps", "missing"] in listed(site)


@pytest.mark.parametrize("named", [("--key-set", "demo", "--version", "1"), TPS])
def test_a_key_that_the_policy_uses_stays(site: Path, named: tuple[str, ...]) -> None:
    allow(site, TRANSPORT_KEY)
    assert key(site, "generate", *TPS).returncode == 0
    done = key(site, "destroy", *named, "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: key-in-use: policy version 1 (")
    assert "have a policy take effect that retires it, or does not name it" in done.stderr


def test_scripts_destroy_without_being_asked(site: Path) -> None:
    retire_demo(site)
    arguments = ["--key-set", "demo", "--version", "1", "--yes"]
    done = key(site, "destroy", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    again = key(site, "destroy", *arguments)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "Error: key 'demo' version 1: it is not in the token\n"


@pytest.mark.parametrize("answer", ["yes\n", "demo\n", "000000\n", ""])
def test_any_other_answer_destroys_nothing(site: Path, answer: str) -> None:
    retire_demo(site)
    done = key(site, "destroy", "--key-set", "demo", "--version", "1", stdin=answer)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [row[-1] for row in listed(site) if row[0] == "demo"] == ["right"]
