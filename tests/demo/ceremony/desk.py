"""A command at its terminal: who sees what of it, and what they type."""

from pathlib import Path

from tests.demo.ceremony.people import EVERYBODY, People
from tests.demo.screen import Screen
from tests.demo.site import SiteError
from tests.terminal import CLEARED, Terminal, plain

_ROWS_AND_COLUMNS = (40, 100)


class Desk:
    """The terminal that all take turns at, in the demonstration's folder.

    Args:
        folder: from where commands are run.
        screen: where everything is printed.
        people: who sits there.
    """

    def __init__(self, folder: Path, screen: Screen, people: People) -> None:
        self._folder = folder
        self._screen = screen
        self._people = people
        self._watcher = ""

    def run(self, *arguments: str) -> None:
        """Run a `tmsctl` that asks people, to its end, and print each screen as they see it.

        Raises:
            SiteError: it does not succeed.
        """
        self._screen.command(("tmsctl", *arguments))
        self._watcher = ""
        with Terminal(*arguments, cwd=self._folder, size=_ROWS_AND_COLUMNS) as terminal:
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
            if exit_code := terminal.end():
                raise SiteError(f"tmsctl {' '.join(arguments)} ended with exit code {exit_code}")

    def _show(self, watcher: str, text: str) -> None:
        """Print what somebody sees, under their name where it is not whoever watched before."""
        lines = plain(text).splitlines()
        while lines and not lines[0]:
            del lines[0]
        if not lines:
            return
        if watcher != self._watcher:
            alone = "" if watcher == EVERYBODY else ", alone,"
            self._screen.say(f"{watcher}{alone} sees:")
            self._watcher = watcher
        self._screen.output(lines)
