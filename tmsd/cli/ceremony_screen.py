"""What a terminal shows in a ceremony: one thing at a time, and how far it has come.

All text is shown as it is: rich reads no markup in it.
"""

import re
from collections.abc import Iterable, Iterator

import click
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tmsd.ceremony.people import Stage
from tmsd.ceremony.step import Facts
from tmsd.quorum.words import rows

_WIDEST = 96  # columns: longer lines are hard to follow
_BAR = 20  # columns
_DONE = "green"

_END_OF_SENTENCE = ". "
_SHA256 = re.compile(r"[0-9a-f]{64}")
_READ_ALOUD_BYTES = 8
_GROUP = 8  # hex digits

# Terminals keep lines that were cleared or scrolled away; this is xterm's word for losing them.
_FORGET_LINES = "\x1b[3J"


class Screen:
    """The terminal that everybody in the room looks at, or one of them alone."""

    def __init__(self) -> None:
        console = Console(highlight=False, markup=False, emoji=False)
        console.width = min(console.width, _WIDEST)
        self._console = console

    def clear(self) -> None:
        """Begin anew, where it is a terminal."""
        click.clear()

    def forget(self) -> None:
        """Clear it, and have the terminal lose what it showed."""
        click.clear()
        click.echo(_FORGET_LINES, nl=False)

    def head(self, title: str, stage: Stage) -> None:
        """Say of which ceremony this is, and how far it has come."""
        bar = ProgressBar(
            stage.steps, stage.done, width=_BAR, complete_style=_DONE, finished_style=_DONE
        )
        line = Table.grid(expand=True, padding=(0, 2))
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_row(Text(title, "bold"), bar, Text(stage.title, "bold", no_wrap=True))
        self._show(line)

    def panel(self, title: str, text: str, style: str = "") -> None:
        """Frame one thing, whose first sentence stands out."""
        first, _, others = text.partition(_END_OF_SENTENCE)
        lines = Text.assemble((first, "bold"), f".\n{others}" if others else "")
        self._show(Panel(lines, title=Text(title), title_align="left", border_style=style))

    def lines(self, lines: Iterable[str], style: str = "") -> None:
        """Show lines as they are."""
        for line in lines:
            self._show(Text(line, style))

    def small_print(self, lines: Iterable[str]) -> None:
        """Show lines that are all to be there, and that few will read, in one paragraph."""
        self._show(Text(" · ".join(" ".join(line.split()) for line in lines), "dim"))

    def aloud(self, rows_of_words: Iterable[str]) -> None:
        """Show words that are read aloud, row by row."""
        line = Table.grid(padding=(0, 1))
        line.add_row(Text("Read aloud:"), Text("\n".join(rows_of_words), "bold cyan"))
        self._show(line)

    def facts(self, title: str, text: str, facts: Facts) -> None:
        """Show what came of something, each fact under its name."""
        table = Table.grid(padding=(0, 2))
        for name, value in _told(facts):
            table.add_row(Text(name), value)
        what = Text(text.partition(_END_OF_SENTENCE)[0].removesuffix(".") + ".", "bold")
        framed = Group(what, table)
        self._show(Panel(framed, title=Text(title), title_align="left", border_style=_DONE))

    def secret(self, what: str, rows_of_it: str) -> None:
        """Show a secret to who is alone at the screen."""
        self._show(Panel(Padding(Text(rows_of_it, "bold"), (0, 2)), title=Text(what)))

    def _show(self, what: RenderableType) -> None:
        self._console.print(what)


def _told(facts: Facts) -> Iterator[tuple[str, Text]]:
    """Yield facts in words; a hash in groups, and with words by which it is read aloud."""
    for name, value in facts.items():
        words = name.replace("_", " ")
        if isinstance(value, str) and _SHA256.fullmatch(value):
            yield words, _grouped(value)
            spoken = bytes.fromhex(value)[:_READ_ALOUD_BYTES]
            yield "  read aloud", Text("\n".join(row[5:] for row in rows(spoken)), "bold cyan")
        elif isinstance(value, bool):
            yield words, Text("yes" if value else "no", "bold")
        else:
            yield words, Text(str(value), "bold")


def _grouped(digest: str) -> Text:
    groups = [digest[at : at + _GROUP] for at in range(0, len(digest), _GROUP)]
    half = len(groups) // 2
    return Text("\n".join(" ".join(part) for part in (groups[:half], groups[half:])))
