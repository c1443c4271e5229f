"""`tmsctl key destroy`, once it is said twice what is meant."""

from pathlib import Path

import pytest

from tests.cli.key.commands import TRANSPORT_KEY, key, listed
from tests.cli.sites import allow


@pytest.mark.parametrize("answer", ["KCV", "demo:1"])
def test_a_key_is_destroyed_when_its_check_value_or_its_name_is_typed(
    site: Path, answer: str
) -> None:
    [shown] = [row[3] for row in listed(site) if row[0] == "demo"]
    typed = shown.upper() if answer == "KCV" else answer
    done = key(site, "destroy", "--key-set", "demo", "--version", "1", stdin=f"{typed}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "It is active: cards that have it cannot be served any more." in done.stdout
    assert f"Destroyed key 'demo' version 1: aes256, KCV {shown}\n" in done.stdout
    assert ["demo", "1", "-", "-", "key set demo (active)", "missing"] in listed(site)


def test_a_transport_key_is_destroyed_when_its_name_is_typed(site: Path) -> None:
    allow(site, TRANSPORT_KEY)
    assert key(site, "generate", "--transport-key", "tps").returncode == 0
    done = key(site, "destroy", "--transport-key", "tps", stdin="For the TPS:2\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "It is in use: its callers get no session keys any more." in done.stdout
    assert ["for the TPS", "2", "-", "-", "transport key tps", "missing"] in listed(site)


def test_scripts_destroy_without_being_asked(site: Path) -> None:
    arguments = ["--key-set", "demo", "--version", "1", "--yes"]
    done = key(site, "destroy", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    again = key(site, "destroy", *arguments)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "Error: key 'demo' version 1: it is not in the token\n"


@pytest.mark.parametrize("answer", ["yes\n", "demo\n", "000000\n", ""])
def test_any_other_answer_destroys_nothing(site: Path, answer: str) -> None:
    done = key(site, "destroy", "--key-set", "demo", "--version", "1", stdin=answer)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [row[-1] for row in listed(site) if row[0] == "demo"] == ["right"]
