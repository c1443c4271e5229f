"""What the demonstration prints: plain text, with colours on a terminal that wants them."""

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Self, TextIO

_WIDTH = 96
_INDENT = "    "
_NAME_WIDTH = 19
_SHOWN_AT_ONCE = 20  # bytes; of longer values the beginning and the end are shown

_BOLD, _DIM, _GREEN, _RED = "1", "2", "32", "31"


def shortened(value: bytes) -> str:
    """Return bytes in hex; of many only the first and the last, and how many there are."""
    if len(value) <= _SHOWN_AT_ONCE:
        return value.hex()
    return f"{value[:12].hex()}...{value[-4:].hex()} ({len(value)} bytes)"


class Screen:
    """Prints the story as it goes, and remembers its text.

    Args:
        out: where to.
        colours: whether to use them.
    """

    def __init__(self, out: TextIO, *, colours: bool) -> None:
        self._out = out
        self._colours = colours
        self._printed: list[str] = []
        self.number = 0
        self.heading = ""

    @classmethod
    def standard(cls) -> Self:
        """Print to standard output; no-color.org says when without colours."""
        out = sys.stdout
        colours = out.isatty() and not os.environ.get("NO_COLOR")
        return cls(out, colours=colours and os.environ.get("TERM") != "dumb")

    @property
    def transcript(self) -> str:
        """All that was printed so far."""
        return "\n".join(self._printed)

    def title(self, text: str) -> None:
        """Print the name of the whole."""
        self._line(text, _BOLD)
        self._line("=" * len(text), _BOLD)

    def gap(self) -> None:
        """Leave a line free."""
        self._line("")

    def chapter(self, text: str) -> None:
        """Begin a chapter."""
        self._line("")
        self._line(text.upper(), _BOLD)

    def step(self, text: str) -> None:
        """Begin the next numbered step."""
        self.number += 1
        self.heading = text
        self._line("")
        self._line(f"{self.number:2}. {text}", _BOLD)

    def say(self, text: str) -> None:
        """Say in words what is going on."""
        for line in textwrap.wrap(" ".join(text.split()), _WIDTH - len(_INDENT)):
            self._line(_INDENT + line)

    def value(self, name: str, value: bytes | str) -> None:
        """Show a value by its name, bytes in hex."""
        text = shortened(value) if isinstance(value, bytes) else value
        first, *others = self._wrapped(text) or [""]
        self._line(f"{_INDENT}  {name:{_NAME_WIDTH}} {first}")
        for line in others:
            self._line(f"{_INDENT}  {'':{_NAME_WIDTH}} {line}")

    def command(self, words: Sequence[str]) -> None:
        """Show a command that is run."""
        self._line(f"{_INDENT}$ {' '.join(words)}", _BOLD)

    def output(self, lines: Iterable[str]) -> None:
        """Show what a program printed, or what is in a file."""
        for line in lines:
            self._line(f"{_INDENT}| {line}", _DIM)

    def right(self, text: str) -> None:
        """Say what was as it should be."""
        self._marked("ok", text, _GREEN)

    def wrong(self, text: str) -> None:
        """Say what was not as it should be."""
        self._marked("!!", text, _RED)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print columns, each as wide as it needs to be."""
        whole = [headings, *rows]
        widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
        for number, row in enumerate(whole):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._line((_INDENT + "  ".join(cells)).rstrip(), "" if number else _BOLD)

    def _wrapped(self, text: str) -> list[str]:
        return textwrap.wrap(text, _WIDTH - len(_INDENT) - _NAME_WIDTH - 3, break_on_hyphens=False)

    def _marked(self, mark: str, text: str, colour: str) -> None:
        first, *others = textwrap.wrap(text, _WIDTH - len(_INDENT) - 3, break_on_hyphens=False)
        self._line(f"{_INDENT}{mark} {first}", colour)
        for line in others:
            self._line(f"{_INDENT}   {line}", colour)

    def _line(self, text: str, style: str = "") -> None:
        self._printed.append(text)
        coloured = f"\x1b[{style}m{text}\x1b[0m" if self._colours and style and text else text
        print(coloured, file=self._out, flush=True)
