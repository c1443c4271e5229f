"""A token that goes away under a login, and a module that does not start.

Both stay with a process until it ends, so they happen in another one.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "tests.hsm.other_process"


def _other_process(*arguments: str) -> dict[str, str]:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", PROGRAM, *arguments],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    met: dict[str, str] = json.loads(done.stdout)
    return met


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each use of a token met after it had gone."""
    return _other_process(str(tmp_path_factory.mktemp("lost")))


def test_the_token_worked_before(met: dict[str, str]) -> None:
    assert met["before"] == met["signed before"] == "no error"


@pytest.mark.parametrize("use", ["encrypt", "derive", "sign", "login"])
def test_a_key_that_is_held_and_a_new_login_meet_the_loss(met: dict[str, str], use: str) -> None:
    assert met[use].startswith("TokenLost: ")


def test_a_search_on_a_lost_token_finds_nothing_and_random_bytes_still_come(
    met: dict[str, str],
) -> None:
    # Hence neither says that a token is well; only the use of a held key does.
    assert met["find"] == "KeyNotFound: key 'held' version 1: it is not in the token"
    assert met["random"] == "no error"


def test_a_module_that_refuses_to_start_is_named(tmp_path: Path) -> None:
    met = _other_process(str(tmp_path), "--broken-configuration")

    assert met["load"].startswith("ModuleUnavailable: PKCS#11 module /")
