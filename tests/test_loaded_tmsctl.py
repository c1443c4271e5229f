"""`tmsctl` that was loaded before behaves as one that is started."""

import os
import subprocess
from pathlib import Path

import pytest

from tests import loaded_tmsctl
from tests.terminal import PATIENCE, TMSCTL


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("no-such-command",), ("check", "config", "no-such-folder"), ("key", "list")],
    ids=" ".join,
)
def test_ends_and_says_as_if_it_were_started(arguments: tuple[str, ...], tmp_path: Path) -> None:
    loaded = loaded_tmsctl.run(*arguments, stdin="", cwd=tmp_path, seconds=PATIENCE)
    started = subprocess.run(
        [TMSCTL, *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (loaded.returncode, loaded.stdout, loaded.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_has_the_environment_of_who_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = loaded_tmsctl.run("--help", stdin="", cwd=tmp_path, seconds=PATIENCE)
    monkeypatch.setenv("COLUMNS", "40")
    narrow = loaded_tmsctl.run("--help", stdin="", cwd=tmp_path, seconds=PATIENCE)

    width, others = (max(map(len, told.stdout.splitlines())) for told in (narrow, wide))
    assert width < others


def test_does_not_outlive_who_waits_for_it(tmp_path: Path) -> None:
    unread, written = os.pipe()
    running = loaded_tmsctl.start(
        *("key", "import", "--config", tmp_path / "tmsd.toml"),
        streams=(unread, written, written),
        cwd=tmp_path,
        on_terminal=False,
    )
    os.close(written)
    running.close()

    with os.fdopen(unread, "rb") as read:
        read.read()  # ends when nobody has the other side any more
