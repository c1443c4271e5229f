"""The demonstration of ceremonies runs, and its minutes stand any check that its reader makes."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.sites import tmsctl
from tests.demo.ceremony.people import CUSTODIANS, OFFICERS
from tests.demo.test_demo import ROOT

DEMO = (sys.executable, "-m", "tests.demo.ceremony")


def run(folder: Path, temporary: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, folder],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": temporary},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_leaves_minutes_that_are_accepted_and_refused_once_altered(tmp_path: Path) -> None:
    site = tmp_path / "site"
    with TemporaryDirectory(prefix="demo-") as temporary:
        done = run(site, temporary)
        assert list(Path(temporary).iterdir()) == []

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    minutes = sorted(site.rglob("*.minutes.jsonl"))
    assert [file.name for file in minutes] == [
        "first-keys.minutes.jsonl",
        "second-token.minutes.jsonl",
    ]
    for file in minutes:
        assert f"$ tmsctl ceremony verify {file}\n" in done.stdout
        assert tmsctl("ceremony", "verify", file).returncode == 0
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0x80
        altered = tmp_path / "altered.jsonl"
        altered.write_bytes(content)
        refused = tmsctl("ceremony", "verify", altered)
        line = content.count(b"\n", 0, len(content) // 2) + 1
        assert refused.returncode == 1
        assert refused.stderr.endswith(f"the first bad line is {line}\n")
    for custodian in CUSTODIANS:
        assert f"{custodian.person}, alone, sees:" in done.stdout
    for officer in OFFICERS:
        assert f"approved by {officer.name}" in done.stdout
        assert officer.secret not in done.stdout
    assert "KCVs of staff:1 and visitors:1: the same in both tokens" in done.stdout


def test_a_folder_that_is_in_use_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()

    done = run(tmp_path, str(tmp_path))

    assert (done.returncode, done.stderr) == (1, "")
    assert f"{tmp_path} is not empty" in " ".join(done.stdout.split())
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
