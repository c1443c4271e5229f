"""`python -m tests.clean_roots [CASE …]`: see tests/clean_roots/__init__.py."""

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import click
from rich.console import Console
from rich.table import Table

from tests.clean_roots import roots
from tests.clean_roots.machine import Sources, sources

CHECKOUT = Path(__file__).parents[2]
FOLDER = CHECKOUT / ".cache" / "clean-roots"
RELEASES = {"12": "bookworm", "13": "trixie"}
PEOPLE = ("root", "user", "alone")
_TOLD = "apt-get update && apt-get install --yes --no-install-recommends "


@dataclass(frozen=True, slots=True)
class Case:
    """A release of Debian, and who runs the commands: root, a user with sudo, or one alone."""

    release: str
    person: str

    def __str__(self) -> str:
        """Return how it is named in the command."""
        return f"{self.release}-{self.person}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one command."""

    case: Case
    command: str
    seconds: float
    status: int


CASES = {str(case): case for case in (Case(r, p) for r in RELEASES for p in PEOPLE)}


@click.command()
@click.option("--keep", is_flag=True, help="Keep the roots of cases that fail.")
@click.option("--args", default="", help="For pytest, as in make test ARGS=…")
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
def main(cases: tuple[str, ...], args: str, *, keep: bool) -> None:
    """Run `make demo` and `make test` in clean roots; all of them, if none is named."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise click.ClickException("needs root, and debootstrap: apt-get install debootstrap")
    FOLDER.mkdir(parents=True, exist_ok=True)
    console = Console()
    outcomes: list[Outcome] = []
    taken_from = sources()
    for name in cases or CASES:
        outcomes += _outcomes(CASES[name], taken_from, args, console, keep=keep)
    console.print(_table(outcomes))
    sys.exit(any(outcome.status for outcome in outcomes))


def _outcomes(
    case: Case, taken_from: Sources, args: str, console: Console, *, keep: bool
) -> list[Outcome]:
    clean = roots.base(RELEASES[case.release], taken_from, FOLDER)
    place = Path(tempfile.mkdtemp(prefix=f"{case}-", dir=FOLDER)) / "root"
    roots.copy(clean, place, CHECKOUT, taken_from)
    log = FOLDER / f"{case}.log"
    log.write_bytes(b"")
    if case.person == "user":
        roots.may_become_root(place)
    elif case.person == "root":
        roots.give_to_root(place)
    outcomes = []
    if case.person == "alone":
        outcomes.append(_told_what_root_must_do(case, place, taken_from, log))
    commands = [["make", "demo"], ["make", "test", *([f"ARGS={args}"] if args else [])]]
    for command in commands:
        console.print(f"{case}: {' '.join(command)}; {log} has what it says")
        outcomes.append(_outcome(case, place, taken_from, command, log))
    if keep and any(outcome.status for outcome in outcomes):
        console.print(f"{place} is kept")
    else:
        roots.remove(place)
        place.parent.rmdir()
    return outcomes


def _outcome(
    case: Case, place: Path, taken_from: Sources, command: list[str], log: Path
) -> Outcome:
    began = monotonic()
    status = roots.run(place, taken_from, command, log, as_user=case.person != "root")
    return Outcome(case, " ".join(command[:2]), monotonic() - began, status)


def _told_what_root_must_do(case: Case, place: Path, taken_from: Sources, log: Path) -> Outcome:
    """Have the user fail for want of packages, and root do what the user was told."""
    began = monotonic()
    failed = roots.run(place, taken_from, ["make", "demo"], log, as_user=True)
    told = [line.strip() for line in log.read_text().splitlines() if _TOLD in line]
    status = 1
    if failed and told:
        status = roots.run(place, taken_from, ["sh", "-c", told[-1]], log, as_user=False)
    return Outcome(case, "as root, what make says", monotonic() - began, status)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("Debian", "who", "command", "result", "min:s")
    for outcome in outcomes:
        minutes, seconds = divmod(round(outcome.seconds), 60)
        result = "passed" if outcome.status == 0 else f"failed ({outcome.status})"
        table.add_row(
            outcome.case.release,
            outcome.case.person,
            outcome.command,
            result,
            f"{minutes}:{seconds:02}",
        )
    return table


if __name__ == "__main__":
    main()
