"""The demonstration runs, says so when something is wrong, and leaves nothing behind."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.demo.findings import Deviation, Findings
from tests.demo.screen import Screen, shortened
from tmsd.client.problem import Next, Problem, ServiceUnreachable

ROOT = Path(__file__).parents[2]
DEMO = (sys.executable, "-m", "tests.demo")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a path short enough for a Unix socket in it."""
    with TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


@pytest.fixture
def screen() -> Screen:
    return Screen(io.StringIO(), colours=False)


def environment(temporary: Path, **others: str) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(temporary)} | others


def run(temporary: Path, **others: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        DEMO,
        cwd=ROOT,
        env=environment(temporary, **others),
        capture_output=True,
        text=True,
        check=False,
    )


def processes_of_session(session: int) -> list[str]:
    """Return the processes of a session that still run (field 6 of /proc/PID/stat, proc(5))."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            stat = (directory / "stat").read_text()
        except OSError:  # it has just ended
            continue
        name, _, fields = stat.rpartition(")")
        if fields.split()[3] == str(session) and fields.split()[0] != "Z":
            found.append(name)
    return found


async def answers() -> bytes:
    return b"an answer"


async def refuses() -> None:
    raise Problem(
        code="overloaded",
        title="Too much is asked at once",
        detail="wait",
        next_step=Next.RETRY,
        status=503,
        pointer=None,
        request_id="1",
        retry_after=2.0,
    )


async def is_away() -> None:
    raise ServiceUnreachable("nobody answers")


def test_the_demonstration_runs_to_its_end_and_leaves_nothing(temporary: Path) -> None:
    done = run(temporary)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    summary = done.stdout.partition("SUMMARY")[2]
    for what, seen in (
        ("SCP03 aes128, data under C-MAC and C-ENC", "stored and read back"),
        ("SCP03 aes256, data under C-MAC and C-ENC", "stored and read back"),
        ("SCP02 des3, data under C-MAC and C-ENC", "stored and read back"),
        ("KCVs of staff:2 to staff:5", "tmsd, the card and the issuer have the same"),
        ("Audit record of PUT KEY for staff", "no key_material_in_worker"),
        ("A channel with the keys of staff:5", "open, and the data are still there"),
        ("Keys of version 2, asked of the card", "not there any more (6a88)"),
        ("The old keys under the new version", "refused: card-cryptogram-mismatch"),
        ("3DES keys that would have to leave the HSM", "refused: mechanism-unavailable"),
        ("KCVs of door-cards:7 to door-cards:8", "tmsd, the card and the issuer have the same"),
        ("Audit record of PUT KEY for door-cards", "says key_material_in_worker"),
        ("A channel with the keys of door-cards:8", "open; the old keys are gone (6a88)"),
        ("40...4F, tried on two fresh cards", "opens both (9000)"),
        ("KCVs of fresh-cards:255 to staff:5", "tmsd, the card and the issuer have the same"),
        ("Audit record of PUT KEY for fresh-cards", "no key_material_in_worker"),
        ("40...4F, tried on them afterwards", "opens neither (6300)"),
        ("A response under R-MAC and R-ENC", "verified, decrypted, as it was stored"),
        ("A response changed on the way", "refused: session-closed"),
        ("Proof of presence", "the card knows the challenge"),
        ("The same, asked of another card", "it does not know"),
        ("Card of another master key", "refused: card-cryptogram-mismatch"),
        ("The same request a second time", "refused: challenge-used"),
        ("A recorded answer to a new challenge", "refused: card-cryptogram-mismatch"),
        ("A challenge of the caller's own", "refused: challenge-not-issued"),
        ("A card that answers a byte short", "refused: initialize-update-invalid"),
        ("PUT KEY", "refused: command-not-allowed"),
        ("Certificate that the policy does not name", "refused: caller-unknown"),
        ("No certificate", "refused by TLS"),
        ("tmsd with a wrong PIN", "does not start, says why, exit code 1"),
        ("tmsctl hsm unlatch", "one try is allowed"),
        ("KCVs in the HSM, and the issuer's", "8 are the same"),
    ):
        assert re.search(
            rf"^ +[0-9]+  {re.escape(what)} +{re.escape(seen)}$", summary, re.MULTILINE
        )
    assert "everything was as it should be" in summary
    for said in (
        "key_sets.older-cards would have to say",
        '"key_material_in_worker": true',
        "FOR A MOMENT THEY ARE OUTSIDE THE HSM",
    ):
        assert said in done.stdout
    assert re.search(r"Audit log +\d+ records, no fault", summary)
    assert "\x1b" not in done.stdout
    assert list(temporary.iterdir()) == []


def test_ctrl_c_takes_everything_away(temporary: Path) -> None:
    with subprocess.Popen(
        DEMO,
        cwd=ROOT,
        env=environment(temporary),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Cards in readers" in line:
                os.killpg(demo.pid, signal.SIGINT)  # as a terminal does, to all of them
                break
        rest = demo.stdout.read()

    assert demo.returncode == 128 + signal.SIGINT, rest
    assert "interrupted by SIGINT" in rest
    assert list(temporary.iterdir()) == []
    assert processes_of_session(demo.pid) == []


def test_what_is_missing_is_named_and_the_exit_code_is_1(temporary: Path) -> None:
    done = run(temporary, PATH="")  # without unshare, of which pcscd has need

    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    end = done.stdout.partition("SUMMARY")[2]
    assert "Step 5 is not as it should be" in end
    assert "PcscdError: unshare is missing: install the Debian package util-linux" in end
    assert list(temporary.iterdir()) == []


async def test_an_answer_where_a_refusal_is_due_is_a_deviation(screen: Screen) -> None:
    findings = Findings(screen)

    with pytest.raises(Deviation) as caught:
        await findings.refused("PUT KEY", ["command-not-allowed"], answers())
    assert caught.value.expected == "refused: command-not-allowed"
    assert caught.value.happened == f"it was done: {b'an answer'.hex()}"
    with pytest.raises(Deviation):
        await findings.cut_off("no certificate", answers())
    assert findings.all == []


async def test_another_refusal_than_the_right_one_is_a_deviation(screen: Screen) -> None:
    findings = Findings(screen)

    with pytest.raises(Deviation, match="overloaded: wait"):
        await findings.refused("PUT KEY", ["command-not-allowed"], refuses())
    with pytest.raises(Deviation, match="overloaded: wait"):
        await findings.cut_off("no certificate", refuses())


async def test_the_right_refusal_is_shown_and_noted(screen: Screen) -> None:
    findings = Findings(screen)
    await findings.refused("many requests", ["overloaded"], refuses())
    await findings.cut_off("no certificate", is_away())

    assert [finding.seen for finding in findings.all] == ["refused: overloaded", "refused by TLS"]
    assert "HTTP 503 overloaded" in screen.transcript
    assert "nobody answers" in screen.transcript


def test_different_values_are_a_deviation_that_shows_both(screen: Screen) -> None:
    with pytest.raises(Deviation, match="KCV: expected 0a; happened: 0b"):
        Findings(screen).require_equal("KCV", b"\x0a", b"\x0b")


def test_long_values_are_shortened_and_short_ones_are_not() -> None:
    assert shortened(bytes(20)) == "00" * 20
    assert shortened(bytes(range(30))) == f"{bytes(range(12)).hex()}...1a1b1c1d (30 bytes)"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for out, name, coloured in (
        (Terminal(), "", True),
        (io.StringIO(), "", False),
        (Terminal(), "1", False),
    ):
        monkeypatch.setenv("NO_COLOR", name)
        monkeypatch.setattr("sys.stdout", out)
        Screen.standard().right("so it is")
        assert ("\x1b[32m" in out.getvalue()) is coloured
