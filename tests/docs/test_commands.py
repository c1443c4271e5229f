"""Each command of `tmsctl` that the documentation names exists, with the options beside it."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tmsd.cli.main import tmsctl

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

_IN_A_LINE = re.compile(r"`(tmsctl [^`]+)`")
_OF_ITS_OWN = re.compile(r"^(?: {4}|\t)?(?:\$ |\.venv/bin/)?(tmsctl .*)$", re.MULTILINE)
_WORD = re.compile(r"[a-z][a-z-]*")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def commands(page: str) -> Iterator[str]:
    """Yield the commands that stand in a page, in the text and in lines of their own."""
    yield from _IN_A_LINE.findall(page)
    yield from _OF_ITS_OWN.findall(page.replace("\\\n", " "))


def faults(command: str) -> Iterator[str]:
    """Yield the words of a command that tmsctl does not know."""
    here: click.Command = tmsctl
    for word in command.split()[1:]:
        if not isinstance(here, click.Group) or not _WORD.fullmatch(word):
            break
        found = here.get_command(click.Context(here), word)
        if found is None:
            yield word
            return
        here = found
    known = {"--help", "--version"}
    known |= {option for parameter in here.params for option in parameter.opts}
    yield from (option for option in _OPTION.findall(command) if option not in known)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_of_a_page_is_one(page: Path) -> None:
    wrong = {
        command: unknown
        for command in commands(page.read_text())
        if (unknown := list(faults(command)))
    }

    assert wrong == {}


def test_officers_are_given_commands_to_type() -> None:
    named = {
        " ".join(command.split()[1:3])
        for page in PAGES
        if page.parent.name == "officer"
        for command in commands(page.read_text())
    }

    assert named >= {
        *("officer key", "officer make-key", "ceremony check", "ceremony rehearse"),
        *("ceremony run", "ceremony resume", "ceremony verify", "ceremony minutes"),
        *("policy propose", "policy approve", "policy activate", "inventory compare"),
        *("policy diff", "key cards", "key list"),
    }


@pytest.mark.parametrize(
    ("command", "unknown"),
    [
        ("tmsctl ceremony conduct SCRIPT", "conduct"),
        ("tmsctl ceremony run SCRIPT --bindings FILE", "--bindings"),
    ],
)
def test_what_is_no_command_would_be_found(command: str, unknown: str) -> None:
    assert list(faults(command)) == [unknown]
