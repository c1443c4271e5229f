"""Ceremonies of tests: scripts, and rooms with officers who agree or do not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.errors import HsmError
from hsm.module import TokenAddress
from hsm.secret import Secret
from tests.quorum.officers import pem, private_key, signer
from tests.softhsm.tokens import USER_PIN
from tmsd import clock
from tmsd.ceremony.binding import Binding, OfficerOfBinding
from tmsd.ceremony.people import Ended, Entry, Stage
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.config.hsm import HsmConfig
from tmsd.quorum.approval import Approval, approve
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request

CUSTODIANS = ("karl", "lena", "mia")
ENROL = """
[[steps]]
do = "enrol-quorum"
approvals = 2
officers = ["anna", "berta", "carl"]
"""
GENERATE = """
[[steps]]
do = "generate-key"
label = "{label}"
version = 1
algorithm = "aes256"
"""


def script(directory: Path, *steps: str, deployment: str = "pilot") -> Path:
    """Write a script."""
    head = f'format = 1\ntitle = "A ceremony"\ndeployment = "{deployment}"\n'
    file = directory / "script.toml"
    file.write_text(head + "".join(steps))
    return file


@dataclass(slots=True)
class Present:
    """Those who are there: officers who approve, and custodians who type what they know.

    Attributes:
        officers: who approve what they are asked.
        leave_after: how often they are asked before they leave.
        typed: what custodians type, in order, by what they are asked for; after that, what they
            have written down, or else what would be right.
        refused: why they had to type again.
    """

    officers: tuple[str, ...] = ("anna", "berta", "carl")
    leave_after: int = 1000
    typed: dict[str, list[bytes]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    written_down: dict[str, bytes] = field(default_factory=dict)

    def begin(self, stage: Stage) -> None:
        """Remember what is next."""
        self.tell(stage.title, *stage.said)

    def finish(self, facts: Facts) -> None:
        """Look at the minutes for that."""

    def tell(self, *lines: str) -> None:
        """Remember what is shown."""
        self.told += lines

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        """Approve, by those who are officers of this quorum, or leave."""
        if len(self.asked) >= self.leave_after:
            raise Ended("they leave")
        self.asked.append(request)
        return [
            approve(request, quorum, signer(name), clock.now())
            for name in self.officers
            if quorum.officer(name) is not None
        ]

    def entered(self, entry: Entry) -> Secret:
        """Type until it is right, as at a desk."""
        for value in self.typed.pop(entry.what, []):
            try:
                entry.check(Secret(value))
            except (HsmError, Refused) as wrong:
                self.refused.append(str(wrong))
            else:
                return Secret(value)
        known = self.written_down.get(entry.what)
        secret = entry.sample() if known is None else Secret(known)
        entry.check(secret)
        return secret

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Write it down."""
        assert custodian in what
        self.written_down[what] = bytes(secret.reveal())


@dataclass
class WhileTheyApprove(Present):
    """Those who are there, while something happens behind their backs.

    Attributes:
        at: happens when so many requests were approved.
        happens: it.
    """

    at: int = 0
    happens: Callable[[], object] = lambda: None

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        """Approve, and let it happen."""
        given = Present.approvals(self, request, quorum)
        if len(self.asked) == self.at:
            self.happens()
        return given


def room(directory: Path, token: TokenAddress, people: Present) -> Room:
    """Return a room around a token whose PIN is USER_PIN."""
    pin_file = directory / "pin"
    if not pin_file.exists():
        pin_file.write_bytes(USER_PIN)
        pin_file.chmod(0o400)
    hsm = HsmConfig(
        module=token.module,
        token_label=token.label,
        token_serial=token.serial,
        pin_file=pin_file,
        latch_file=directory / "latch",
        environment=dict(token.environment),
    )
    officers = {name: _officer(directory, name) for name in ("anna", "berta", "carl", "dora")}
    custodians = {name: f"{name.capitalize()} Example" for name in CUSTODIANS}
    binding = Binding(operator="olaf", hsm=hsm, officers=officers, custodians=custodians)
    return Room(binding, people, directory, "pilot")


def _officer(directory: Path, name: str) -> OfficerOfBinding:
    public, private = directory / f"{name}.pub", directory / f"{name}.key"
    key = private_key(name).public_key()
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    private.write_bytes(pem(name))
    return OfficerOfBinding(
        name=name, person=f"{name.capitalize()} Example", public_key=public, private_key=private
    )
