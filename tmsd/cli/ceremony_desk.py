"""The desk of a ceremony: a terminal that the operator, officers and custodians take turns at."""

from collections.abc import Collection, Sequence
from pathlib import Path
from textwrap import indent

import click

from hsm.errors import HsmError
from hsm.secret import Secret
from tmsd import clock
from tmsd.ceremony.binding import Binding
from tmsd.ceremony.officer_signer import signer_of
from tmsd.ceremony.people import Ended, Entry
from tmsd.ceremony.refusal import Refused
from tmsd.cli.output_file import write_public
from tmsd.cli.typed_secret import typed_secret
from tmsd.quorum import canonical
from tmsd.quorum.approval import Approval, approve, given_elsewhere
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.quorum.request import Request

_REQUEST_FILE, _QUORUM_FILE = "request.json", "quorum.json"

# Terminals keep lines that were cleared or scrolled away; this is xterm's word for losing them.
_FORGET_LINES = "\x1b[3J"


class Desk:
    """The persons of a binding, at one terminal.

    Args:
        binding: who they are.
        folder: where a request is put, for officers who sit elsewhere.
    """

    def __init__(self, binding: Binding, folder: Path) -> None:
        self._binding = binding
        self._folder = folder

    def tell(self, *lines: str) -> None:
        """Show everybody something."""
        for line in lines:
            click.echo(line)

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        """Show a request, and let officers approve it one after another, here or elsewhere.

        Raises:
            Ended: they end before there are enough.
        """
        click.echo()
        for line in request.shown():
            click.echo(f"  {line}")
        self._put_down(request, quorum)
        given: dict[str, Approval] = {}
        while True:
            missing = _missing(request, quorum, given)
            name = click.prompt(
                f"Who approves? {missing} more needed; nothing to end"
                if missing
                else "Who approves as well? Nothing to go on",
                default="",
                show_default=False,
            ).strip()
            if not name and missing:
                raise Ended("not approved")
            if not name:
                return list(given.values())
            try:
                approval = self._approval(name, request, quorum)
            except (ApprovalRefused, HsmError, Refused) as refusal:
                click.echo(f"  {refusal}", err=True)
            else:
                given[approval.officer] = approval
                click.echo(f"  approved by {approval.officer}")

    def entered(self, entry: Entry) -> Secret:
        """Let a custodian, who is alone at the screen, type a secret until it is right.

        Raises:
            Ended: they type nothing.
        """
        self._alone(entry.custodian, f"types {entry.what}")
        try:
            while True:
                secret = typed_secret(f"{entry.what}, or nothing to end")
                try:
                    click.echo(f"  {entry.what}: {entry.check(secret)}")
                except (HsmError, Refused) as wrong:
                    secret.wipe()
                    click.echo(f"  {wrong}; type it again", err=True)
                else:
                    return secret
        finally:
            _leave(entry.custodian)

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Show a custodian, who is alone at the screen, a secret, and clear it again."""
        self._alone(custodian, f"writes down {what}")
        try:
            click.echo(f"\n  {what}\n\n{indent(secret.reveal().decode(), '    ')}\n")
            click.prompt("Enter, once it is written down", default="", show_default=False)
        finally:
            _leave(custodian)

    def _put_down(self, request: Request, quorum: Quorum) -> None:
        for name, content in ((_REQUEST_FILE, request), (_QUORUM_FILE, quorum)):
            write_public(self._folder / name, canonical.encode(content))
        click.echo(
            f"  Who sits elsewhere approves {_REQUEST_FILE} by {_QUORUM_FILE}, both in "
            f"{self._folder}, with tmsctl officer approve; its file can be named here."
        )

    def _approval(self, name: str, request: Request, quorum: Quorum) -> Approval:
        """Return the approval of an officer of the binding, or that of a file."""
        officer = self._binding.officers.get(name)
        if officer is not None:
            signer = signer_of(officer, lambda what: typed_secret(f"{officer.person}: {what}"))
            return approve(request, quorum, signer, clock.now())
        if (file := Path(name)).is_file():
            return given_elsewhere(file.read_bytes(), request, quorum)
        here = ", ".join(self._binding.officers)
        raise Refused(f"{name!r} is neither an officer of the binding ({here}) nor a file")

    def _alone(self, custodian: str, does: str) -> None:
        person = self._binding.custodians.get(custodian, custodian)
        click.clear()
        click.prompt(
            f"{person} ({custodian}) {does}, alone at this screen; others look away. Enter",
            default="",
            show_default=False,
        )


def _leave(custodian: str) -> None:
    click.clear()
    click.echo(_FORGET_LINES, nl=False)
    click.echo(f"The screen is cleared; {custodian} is done.")


def _missing(request: Request, quorum: Quorum, given: Collection[str]) -> int:
    """Return how many more have to approve: officers where it takes all of them, else persons."""
    if request.parameters.get("everybody") is True:
        return len(quorum.officers) - len(given)
    return max(quorum.approvals - len({_person(quorum, name) for name in given}), 0)


def _person(quorum: Quorum, name: str) -> str:
    officer = quorum.officer(name)
    return officer.person if officer else name
