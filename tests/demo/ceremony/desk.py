"""A command at its terminal: who sees what of it, and what they type."""

from collections.abc import Sequence
from itertools import takewhile
from math import ceil
from pathlib import Path

from tests.demo.ceremony.people import EVERYBODY, People
from tests.demo.screen import Screen
from tests.demo.site import SiteError
from tests.terminal import CLEARED, Terminal, plain

ROWS, COLUMNS = 24, 80
# Of a screen that was there before, what has changed is printed: these are on most.
_HEADING_LINES = 1


class Desk:
    """The terminal that all take turns at, in the demonstration's folder.

    Args:
        folder: from where commands are run.
        screen: where everything is printed.
        people: who sits there.

    Attributes:
        tallest: how many rows the tallest screen took so far.
    """

    def __init__(self, folder: Path, screen: Screen, people: People) -> None:
        self._folder = folder
        self._screen = screen
        self._people = people
        self._watcher = ""
        self._before: list[str] = []
        self.tallest = 0

    def run(self, *arguments: str) -> None:
        """Run a `tmsctl` that asks people, to its end, and print each screen as they see it.

        Raises:
            SiteError: it does not succeed.
        """
        self._screen.command(("tmsctl", *arguments))
        self._watcher = ""
        with Terminal(*arguments, cwd=self._folder, size=(ROWS, COLUMNS)) as terminal:
            line = ""
            while True:
                shown = line + terminal.read_until(self._people.is_asked)
                asked = self._people.answer(shown)
                *before, now = shown.split(CLEARED)
                for screen in before:
                    self._show(self._watcher or EVERYBODY, screen)
                    self._watcher = ""
                if asked is None:
                    self._show(EVERYBODY, now)
                    break
                # What is typed stands in the line of the question, which is printed with it.
                finished, _, question = now.rpartition("\n")
                self._show(asked.seen_by, finished)
                terminal.type(asked.line)
                line = question + (f"({asked.unseen})" if asked.unseen else "")
            exit_code = terminal.end()
            self.tallest = max(self.tallest, *map(_rows, terminal.shown.split(CLEARED)[1:]), 0)
            if exit_code:
                raise SiteError(f"tmsctl {' '.join(arguments)} ended with exit code {exit_code}")

    def _show(self, watcher: str, text: str) -> None:
        """Print what somebody sees, under their name where it is not whoever watched before."""
        lines = [line.rstrip() for line in plain(text).splitlines()]
        while lines and not lines[0]:
            del lines[0]
        if not lines:
            return
        if watcher != self._watcher:
            alone = "" if watcher == EVERYBODY else ", alone,"
            self._screen.say(f"{watcher}{alone} sees:")
            self._watcher = watcher
            same = _same_lines(self._before, lines)
            self._before = lines
            lines = ["...", *lines[same:]] if same > _HEADING_LINES else lines
        self._screen.output(lines)


def _rows(shown: str) -> int:
    """Return how many rows of the terminal a screen takes."""
    return sum(max(1, ceil(len(line) / COLUMNS)) for line in plain(shown).splitlines())


def _same_lines(before: Sequence[str], now: Sequence[str]) -> int:
    """Return how many lines a screen begins with that were there before."""
    pairs = zip(before, now, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
