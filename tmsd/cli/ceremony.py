"""`tmsctl ceremony`: key ceremonies by a script, from its review to its minutes."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tmsd.audit.chain_file import ChainFile
from tmsd.ceremony.binding import Binding, load_binding
from tmsd.ceremony.minutes import Minutes, events
from tmsd.ceremony.people import Ended
from tmsd.ceremony.progress import Progress, progress
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.rehearsing import rehearsal
from tmsd.ceremony.room import Room
from tmsd.ceremony.running import conduct, open_ceremony, resume_ceremony
from tmsd.ceremony.script import Script, load_script
from tmsd.cli.ceremony_desk import Desk
from tmsd.quickstart.softhsm import softhsm_module

_script = click.argument(
    "script_file", metavar="SCRIPT", type=click.Path(path_type=Path, dir_okay=False)
)
_binding = click.option(
    "--binding",
    "binding_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="binding.toml: the token, and who is there.",
)
_minutes = click.option(
    "--minutes",
    "minutes_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The minutes; what comes of the steps goes into the same folder.",
)


@click.group()
def ceremony() -> None:
    """Conduct key ceremonies: what happens is in a script, where and by whom in a binding."""


@ceremony.command()
@_script
def check(script_file: Path) -> None:
    """Say in plain words what SCRIPT does, with its hash to be read aloud."""
    for line in load_script(script_file).said():
        click.echo(line)


@ceremony.command()
@_script
@click.option(
    "--minutes",
    "minutes_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the minutes of the rehearsal.",
)
def rehearse(script_file: Path, minutes_file: Path | None) -> None:
    """Go through SCRIPT on a SoftHSM token that is thrown away, with officers who are made up."""
    script = load_script(script_file)
    with rehearsal(script, softhsm_module(), click.echo) as room:
        file = minutes_file or room.folder / "minutes.jsonl"
        _require_new(file)
        _open_and_conduct(script, room, file)
    click.echo("The rehearsal is over; its token is gone.")


@ceremony.command()
@_script
@_binding
@_minutes
def run(script_file: Path, binding_file: Path, minutes_file: Path) -> None:
    """Conduct SCRIPT; before each step the officers are asked. What is interrupted is resumed."""
    script, binding = load_script(script_file), load_binding(binding_file)
    _require_new(minutes_file)
    for line in script.said():
        click.echo(line)
    with _ending(minutes_file):
        _open_and_conduct(script, _room(script, binding, minutes_file), minutes_file)


@ceremony.command()
@_script
@_binding
@_minutes
def resume(script_file: Path, binding_file: Path, minutes_file: Path) -> None:
    """Go on with a ceremony that was interrupted, from where its minutes end."""
    script, binding = load_script(script_file), load_binding(binding_file)
    before = progress(events(minutes_file))
    with _ending(minutes_file), ChainFile.open(minutes_file) as chain:
        minutes = Minutes(chain, before.ceremony, binding.operator)
        resume_ceremony(script, _room(script, binding, minutes_file), minutes, before)


def _open_and_conduct(script: Script, room: Room, minutes_file: Path) -> None:
    with ChainFile.open(minutes_file) as chain:
        minutes = Minutes(chain, secrets.token_hex(16), room.binding.operator)
        open_ceremony(script, room, minutes)
        conduct(script, room, minutes, Progress(minutes.ceremony, script.sha256))
    click.echo(f"The ceremony is over. Its minutes: {minutes_file}")


def _room(script: Script, binding: Binding, minutes_file: Path) -> Room:
    folder = minutes_file.absolute().parent
    return Room(binding, Desk(binding, folder), folder, script.deployment)


def _require_new(file: Path) -> None:
    if file.exists():
        raise Refused(f"{file} is there already: minutes are of one ceremony; resume goes on")


@contextmanager
def _ending(minutes_file: Path) -> Iterator[None]:
    """Say how to go on when a ceremony stops before its end."""
    try:
        yield
    except (Ended, KeyboardInterrupt, EOFError):
        raise click.ClickException(
            f"stopped; tmsctl ceremony resume goes on with the minutes {minutes_file}"
        ) from None
