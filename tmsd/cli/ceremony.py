"""`tmsctl ceremony`: key ceremonies by a script, from its review to its minutes."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from hsm.errors import HsmError
from tmsd.audit.chain_file import ChainFile
from tmsd.ceremony.binding import Binding, load_binding
from tmsd.ceremony.minutes import Minutes, are_unused, events
from tmsd.ceremony.page import rendered
from tmsd.ceremony.people import Ended
from tmsd.ceremony.progress import Progress, progress
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.rehearsing import rehearsal
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.running import conduct, open_ceremony, resume_ceremony
from tmsd.ceremony.script import Script, load_script
from tmsd.cli.ceremony_desk import Desk
from tmsd.cli.output_file import out_option, require_place, write_public
from tmsd.quickstart.softhsm import softhsm_module
from tmsd.quorum import quorum as quorums
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused

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
    desk = _desk(script, binding, minutes_file)
    desk.open(script)
    with _ending(minutes_file):
        _open_and_conduct(script, _room(script, binding, desk), minutes_file)


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
        desk = _desk(script, binding, minutes_file)
        resume_ceremony(script, _room(script, binding, desk), minutes, before)
        click.echo(f"The ceremony is over. Its minutes: {minutes_file}")


_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_quorum = click.option(
    "--quorum",
    "quorum_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="quorum.json: the officers as they are known; without it, as the minutes name them.",
)


@ceremony.command()
@_file
@_quorum
def verify(file: Path, quorum_file: Path | None) -> None:
    """Check the minutes in FILE, offline: the chain, the order, the approvals and the end.

    Exit code: 0 where all is right, 1 where something is not.
    """
    found = review(file, _pinned(quorum_file))
    for fault in found.faults:
        click.echo(str(fault))
    click.echo(f"{file}: records {len(found.records)}, steps done {found.steps}")
    if found.faults:
        raise click.ClickException(f"not in order; the first bad line is {found.faults[0].line}")
    click.echo(f"signed by {', '.join(found.signed_by)}")
    if found.attested_by:
        click.echo(f"signed by the token's audit key, SPKI SHA-256 {found.attested_by}")
    if found.rehearsal:
        click.echo("It was a rehearsal, on a token that is gone, with officers who were made up.")
    elif quorum_file is None:
        click.echo("The officers are those whom the minutes name: --quorum FILE compares them.")


@ceremony.command("minutes")
@_file
@_quorum
@out_option
def minutes_page(file: Path, quorum_file: Path | None, out: Path) -> None:
    """Write the minutes in FILE as a page in HTML, to be read, printed and signed by hand."""
    require_place(out)
    page = rendered(review(file, _pinned(quorum_file)), file)
    write_public(out, page.encode())
    click.echo(f"written to {out}")


def _pinned(quorum_file: Path | None) -> Quorum | None:
    return None if quorum_file is None else quorums.decode(quorum_file.read_bytes())


def _open_and_conduct(script: Script, room: Room, minutes_file: Path) -> None:
    with ChainFile.open(minutes_file) as chain:
        minutes = Minutes(chain, secrets.token_hex(16), room.binding.operator)
        open_ceremony(script, room, minutes)
        conduct(script, room, minutes, Progress(minutes.ceremony, script.sha256))
    click.echo(f"The ceremony is over. Its minutes: {minutes_file}")


def _desk(script: Script, binding: Binding, minutes_file: Path) -> Desk:
    return Desk(binding, minutes_file.absolute().parent, script.title)


def _room(script: Script, binding: Binding, desk: Desk) -> Room:
    return Room(binding, desk, desk.folder, script.deployment)


def _require_new(file: Path) -> None:
    """Make sure that no ceremony was opened in the minutes; one may have been about to be.

    Raises:
        Refused: one was, or it is another kind of file.
    """
    if file.exists() and not are_unused(file):
        raise Refused(f"{file} is there already: minutes are of one ceremony; resume goes on")


@contextmanager
def _ending(minutes_file: Path) -> Iterator[None]:
    """Say how to go on when a ceremony stops before its end."""
    try:
        yield
    except (Ended, KeyboardInterrupt, EOFError, click.Abort):
        click.echo()  # where Ctrl-C was pressed, the line is not at its end
        raise click.ClickException(f"stopped; {_how_to_go_on(minutes_file)}") from None
    except (ApprovalRefused, HsmError, Refused) as refusal:
        if not _can_go_on(minutes_file):
            raise
        message = f"{refusal}\nThe step is not done; {_how_to_go_on(minutes_file)}"
        raise click.ClickException(message) from refusal


def _can_go_on(minutes_file: Path) -> bool:
    try:
        return not progress(events(minutes_file)).signed
    except Refused:
        return False


def _how_to_go_on(minutes_file: Path) -> str:
    return f"tmsctl ceremony resume goes on with the minutes {minutes_file}"
