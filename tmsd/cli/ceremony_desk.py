"""The desk of a ceremony: a terminal that the operator, officers and custodians take turns at."""

from collections.abc import Collection, Sequence
from pathlib import Path

import click

from hsm.errors import HsmError
from hsm.secret import Secret
from tmsd import clock
from tmsd.ceremony.binding import Binding
from tmsd.ceremony.officer_signer import signer_of
from tmsd.ceremony.people import Ended, Entry, Stage
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.script import Script
from tmsd.ceremony.step import Facts
from tmsd.cli.ceremony_screen import Screen
from tmsd.cli.output_file import write_public
from tmsd.cli.typed_secret import typed_secret
from tmsd.quorum import canonical
from tmsd.quorum.approval import Approval, approve, given_elsewhere
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.quorum.request import Request
from tmsd.quorum.words import rows

_REQUEST_FILE, _QUORUM_FILE = "request.json", "quorum.json"
# What the panel of a stage says already.
_OF_STAGE = frozenset({"does", "of", "step"})
# What is the same for each step, or nearly so.
_OF_EVERY_STEP = frozenset({"ceremony", "everybody", "script_sha256"})
_NOTHING_YET = Stage("", ("",), 0, 1)


class Desk:
    """The persons of a binding, at one terminal.

    Args:
        binding: who they are.
        folder: where a request is put, for officers who sit elsewhere.
        title: of the ceremony.

    Attributes:
        folder: the same.
    """

    def __init__(self, binding: Binding, folder: Path, title: str) -> None:
        self._binding = binding
        self.folder = folder
        self._title = title
        self._screen = Screen()
        self._stage = _NOTHING_YET
        self._told: list[str] = []

    def open(self, script: Script) -> None:
        """Have everybody compare the script's hash with what they reviewed.

        Raises:
            Ended: it is another one.
        """
        steps = len(script.steps)
        how_many = "1 step" if steps == 1 else f"{steps} steps"
        self.begin(Stage(how_many, ("Is this the script that you reviewed?",), 0, steps))
        self._draw()
        self._screen.lines((f"Deployment: {script.deployment}", f"SHA-256: {script.sha256}", ""))
        self._screen.aloud(rows(bytes.fromhex(script.sha256)))
        click.echo()
        if not click.confirm("Is it the same for everybody?", default=None):
            raise Ended("it is not the script that was reviewed")

    def begin(self, stage: Stage) -> None:
        """Remember what is next; it is shown whenever something is asked."""
        self._stage = stage
        self._told = []

    def tell(self, *lines: str) -> None:
        """Show everybody something at once; it stays until something was asked or done."""
        self._told += lines
        self._draw()

    def finish(self, facts: Facts) -> None:
        """Show everybody what came of it, until they have seen it."""
        stage = self._stage
        self._stage = Stage(stage.title, stage.said, stage.done + 1, stage.steps)
        self._screen.clear()
        self._screen.head(self._title, self._stage)
        self._screen.lines(self._told, "yellow")
        self._screen.facts("Done", stage.text, facts)
        _wait("Enter, once everybody has seen it")

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        """Show a request, and let officers approve it one after another, here or elsewhere.

        Raises:
            Ended: they end before there are enough.
        """
        try:
            return self._approvals(request, quorum)
        finally:
            self._told = []

    def _approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        self._put_down(request, quorum)
        given: dict[str, Approval] = {}
        happened = ""
        while True:
            missing = _missing(request, quorum, given)
            if not missing and len(given) == len(quorum.officers):
                return list(given.values())
            self._ask(request, given, happened)
            name = click.prompt(
                f"Who approves? {missing} more needed. Name, or file"
                if missing
                else "Enough have approved. Enter to go on, or another name",
                default="",
                show_default=False,
            ).strip()
            if not name and not missing:
                return list(given.values())
            if not name:
                _require_going_on()
                continue
            try:
                approval = self._approval(name, request, quorum)
            except (ApprovalRefused, Ended, HsmError, Refused) as refusal:
                happened = f"{name} has not approved: {refusal}"
            else:
                given[approval.officer] = approval
                happened = ""

    def entered(self, entry: Entry) -> Secret:
        """Let a custodian, who is alone at the screen, type a secret until it is right.

        Raises:
            Ended: they type nothing, and want to stop.
        """
        try:
            self._alone(entry.custodian, f"You will type {entry.what}.")
            while True:
                secret = self._typed(entry)
                try:
                    confirmed = entry.check(secret)
                except (HsmError, Refused) as wrong:
                    secret.wipe()
                    self._screen.lines((f"  {wrong}; type it again",), "red")
                    continue
                self._screen.lines(("", f"  {entry.what}: {confirmed}", ""), "bold")
                if click.confirm("Is that right? With n it is typed again", default=None):
                    return secret
                secret.wipe()
        finally:
            self._leave(entry.custodian)

    def _typed(self, entry: Entry) -> Secret:
        """Let somebody type a secret: in one line, or word by word where it has many of them."""
        typed, prompt = Secret(b""), f"Type {entry.what}"
        while True:
            try:
                line = typed_secret(f"{prompt}; it is not shown")
            except Ended:
                _require_going_on()
                continue
            longer = Secret(typed.reveal() + b" " + line.reveal())
            line.wipe()
            try:
                missing = entry.missing(longer)
            except Refused as wrong:
                longer.wipe()
                self._screen.lines((f"  {wrong}; type this line again",), "red")
                continue
            typed.wipe()
            typed, prompt = longer, f"Then {missing}"
            if not missing:
                return typed

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Show a custodian, who is alone at the screen, a secret, and clear it again."""
        try:
            self._alone(custodian, f"You will write down {what}.")
            self._screen.clear()
            self._screen.secret(what, secret.reveal().decode())
            _wait("It is not shown again. Enter, once it is written down")
        finally:
            self._leave(custodian)

    def _draw(self) -> None:
        self._screen.clear()
        self._screen.head(self._title, self._stage)
        self._screen.panel("What is next", self._stage.text)
        self._screen.lines(self._told, "yellow")

    def _ask(self, request: Request, given: Collection[str], happened: str) -> None:
        """Draw the screen on which officers approve."""
        self._draw()
        is_the_stage = request.parameters.get("does") == self._stage.text
        said = _OF_STAGE if is_the_stage else frozenset[str]()
        stands_out = request.parameters.keys() - said - _OF_EVERY_STEP
        self._screen.lines(request.parameters_told(stands_out))
        self._screen.small_print(request.told(but=said | stands_out))
        self._screen.aloud(request.read_aloud)
        if given:
            self._screen.lines((f"approved by {', '.join(given)}",), "green")
        if happened:
            self._screen.lines((happened,), "red")

    def _put_down(self, request: Request, quorum: Quorum) -> None:
        for name, content in ((_REQUEST_FILE, request), (_QUORUM_FILE, quorum)):
            write_public(self.folder / name, canonical.encode(content))

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
        self._screen.clear()
        self._screen.head(self._title, self._stage)
        self._screen.panel(
            f"{person} ({custodian}), alone at this screen",
            f"{does} Everybody else looks away.",
            "magenta",
        )
        _wait("Enter, once nobody else can see this screen")

    def _leave(self, custodian: str) -> None:
        self._screen.forget()
        click.echo(f"The screen is cleared; {custodian} is done.")


def _wait(for_what: str) -> None:
    click.prompt(for_what, default="", show_default=False)


def _require_going_on() -> None:
    """Make sure that it was by mistake that somebody typed nothing.

    Raises:
        Ended: it was not.
    """
    if click.confirm("Nothing was typed. Stop the ceremony here? It can be resumed"):
        raise Ended("they want to stop")


def _missing(request: Request, quorum: Quorum, given: Collection[str]) -> int:
    """Return how many more have to approve: officers where it takes all of them, else persons."""
    if request.parameters.get("everybody") is True:
        return len(quorum.officers) - len(given)
    return max(quorum.approvals - len({_person(quorum, name) for name in given}), 0)


def _person(quorum: Quorum, name: str) -> str:
    officer = quorum.officer(name)
    return officer.person if officer else name
