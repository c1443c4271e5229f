"""The story, top to bottom: `python -m tests.demo.ceremony [FOLDER]`.

Exit code 0: everything was as it should be. 1: something was not, and the last lines say
what. 128 and the signal's number: interrupted.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from smartcard.Exceptions import SmartcardException

from tests.demo.ceremony.desk import ROWS, Desk
from tests.demo.ceremony.folder import FIRST, SECOND, Ceremony, FolderInUse, make_folder
from tests.demo.ceremony.officers_cards import SIGNING_KEY, officers_cards
from tests.demo.ceremony.people import OFFICERS, People
from tests.demo.ceremony.records import Records
from tests.demo.findings import Deviation, Findings
from tests.demo.interruption import Interrupted
from tests.demo.screen import Screen
from tests.demo.site import SiteError
from tests.pcsc.pcscd import PcscdError
from tests.piv_card.opensc import opensc_module

_DEFAULT = Path(__file__).parents[3] / ".cache" / "demo-ceremony"

# What the story can meet without a mistake in its own code.
_UNEXPECTED = (AssertionError, FolderInUse, OSError, PcscdError, SiteError, SmartcardException)


def main() -> int:
    """Tell the story; return the exit code."""
    screen = Screen.standard()
    folder = _folder()
    began = time.monotonic()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        _story(screen, folder)
    except Interrupted as interrupted:
        screen.wrong(f"interrupted by {interrupted}")
        return 128 + interrupted.number
    except BrokenPipeError:  # whoever read this has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Deviation, *_UNEXPECTED) as error:
        screen.wrong(f"Step {screen.number} is not as it should be: {error}")
        return 1
    screen.right(f"everything was as it should be, in {time.monotonic() - began:.1f} s")
    screen.gap()
    screen.say(f"The site folder stays, with all that was made: {folder}. To check the minutes:")
    for ceremony in (FIRST, SECOND):
        screen.command(("tmsctl", "ceremony", "verify", str(folder / ceremony.minutes)))
    return 0


def _folder() -> Path:
    """Return the folder that was asked for, or the usual one, which is made anew."""
    parser = argparse.ArgumentParser(prog="tests.demo.ceremony", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="empty, or not there yet")
    given: Path | None = parser.parse_args().folder
    if given is not None:
        return given.absolute()
    shutil.rmtree(_DEFAULT, ignore_errors=True)
    return _DEFAULT


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


def _story(screen: Screen, folder: Path) -> None:
    findings = Findings(screen)
    screen.title("A key ceremony: two of three officers approve each step, and nobody holds a key")
    screen.say(
        "Officers with smart cards approve; custodians type components and write shares down;"
        " an operator asks. All of them are scripted here, the cards and the HSM are software,"
        f" and all else is what would run in earnest. The site folder is {folder}."
    )
    make_folder(folder)
    desk, records = Desk(folder, screen, People()), Records(folder, screen, findings)
    with officers_cards():
        screen.chapter("Before the day")
        _show_officers(screen, desk)
        _review(screen, desk, FIRST)
        screen.chapter("The day")
        _conduct(screen, findings, desk, FIRST)
        screen.chapter("The first token is lost")
        _review(screen, desk, SECOND)
        _conduct(screen, findings, desk, SECOND)
    screen.chapter("What is left of it")
    records.compare_tokens()
    for ceremony in (FIRST, SECOND):
        records.verify(ceremony)
    records.alter(FIRST)
    if desk.tallest > ROWS:
        raise Deviation("the tallest screen", f"{ROWS} rows at most", str(desk.tallest))


def _show_officers(screen: Screen, desk: Desk) -> None:
    screen.step("The officers' keys")
    screen.say(
        "Two officers have PIV cards, in virtual readers of a real pcscd; the third has a key in a"
        " file. Who enrols them compares the words with those that they say."
    )
    for officer in OFFICERS:
        if officer.has_card:
            by = ("--module", str(opensc_module()), "--token-label", officer.person)
            desk.run("officer", "key", *by, "--key-id", SIGNING_KEY, "--out", officer.public_key)
        else:
            files = ("--out", officer.private_key, "--public", officer.public_key)
            desk.run("officer", "make-key", *files)


def _review(screen: Screen, desk: Desk, ceremony: Ceremony) -> None:
    screen.step(f"The script {ceremony.script} is reviewed")
    screen.say("Whoever will be there reads what will happen, and keeps the words of its hash.")
    desk.run("ceremony", "check", ceremony.script)


def _conduct(screen: Screen, findings: Findings, desk: Desk, ceremony: Ceremony) -> None:
    screen.step(f"The ceremony, on the blank token {ceremony.token!r}")
    files = ("--binding", ceremony.binding, "--minutes", ceremony.minutes)
    desk.run("ceremony", "run", ceremony.script, *files)
    findings.seen(f"Ceremony {ceremony.script}", f"done, minutes in {ceremony.minutes}")


if __name__ == "__main__":
    sys.exit(main())
