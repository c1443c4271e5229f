"""The targets of fuzzing hold for their seeds, and for a second's mutations of them."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import NOT_INSTALLED
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parent.parent.parent

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason=NOT_INSTALLED
)


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_target_has_seeds_and_holds_for_them() -> None:
    done = fuzz("--seconds", "0")

    assert done.returncode == 0, done.stderr
    names_and_seeds = [line.split() for line in done.stdout.splitlines()]
    assert [name for _, name, _, _ in names_and_seeds] == [f"{name}:" for name in TARGETS]
    assert all(int(seeds) > 0 for _, _, seeds, _ in names_and_seeds)


@needs_atheris
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_for_a_second(target: str) -> None:
    done = fuzz(target, "--seconds", "1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken" not in done.stdout
    seeds = re.search(r": (\d+) seeds", done.stdout)
    executed = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert seeds is not None
    assert executed is not None
    assert int(executed[1]) > int(seeds[1])


@needs_atheris
def test_an_input_that_breaks_a_target_is_shown_in_hex(capsys: pytest.CaptureFixture[str]) -> None:
    engine = importlib.import_module("tests.fuzz.engine")

    def breaks(data: bytes) -> None:
        raise ValueError(len(data))

    with pytest.raises(ValueError, match="3"):
        engine.showing_input(breaks)(b"\x00\xa1\xb2")

    assert capsys.readouterr().out == "broken by --input 00a1b2\n"
