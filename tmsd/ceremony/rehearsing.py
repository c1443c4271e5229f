"""A rehearsal: the same script, on a token that is thrown away, with officers who are made up.

It goes through all that the ceremony will: the same steps, approvals and minutes. Who has no part
in it are persons; what custodians would type is random.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hsm.secret import Secret
from tmsd import clock
from tmsd.ceremony.binding import Binding, OfficerOfBinding
from tmsd.ceremony.people import Entry, Stage
from tmsd.ceremony.quorum_step import QuorumStep
from tmsd.ceremony.rehearsed_backups import leave_backups
from tmsd.ceremony.rehearsed_keys import leave_keys
from tmsd.ceremony.rehearsed_wrapped_keys import leave_wrapped_keys
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script
from tmsd.ceremony.step import Facts
from tmsd.ceremony.steps.enrol_quorum import FIRST, EnrolQuorum, enrol
from tmsd.ceremony.steps.initialise_token import InitialiseToken
from tmsd.config.hsm import HsmConfig
from tmsd.quorum.approval import Approval, approve
from tmsd.quorum.officer_key import key_of_file
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request

_OFFICERS = ("officer-1", "officer-2", "officer-3")
_LABEL = "rehearsal"
_CONFIGURATION = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
"""


class MadeUpPeople:
    """Officers who agree to everything, and custodians who type what is random.

    Args:
        binding: has the officers' keys.
        tell: shows what happens.
    """

    def __init__(self, binding: Binding, tell: Callable[[str], None]) -> None:
        self._binding = binding
        self._tell = tell
        self._handed_over: dict[str, bytes] = {}

    def begin(self, stage: Stage) -> None:
        """Show what is next."""
        self.tell("", stage.title, *stage.said)

    def finish(self, facts: Facts) -> None:
        """Show what came of it."""
        self.tell(*(f"    {name.replace('_', ' ')}: {value}" for name, value in facts.items()))

    def tell(self, *lines: str) -> None:
        """Show what happens."""
        for line in lines:
            self._tell(line)

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        """Approve, by every officer."""
        given = []
        for officer in self._binding.officers.values():
            if quorum.officer(officer.name) is not None and officer.private_key is not None:
                signer = key_of_file(officer.private_key.read_bytes(), None)
                given.append(approve(request, quorum, signer, clock.now()))
        self._tell(f"    approved by {', '.join(approval.officer for approval in given)}")
        return given

    def entered(self, entry: Entry) -> Secret:
        """Type what was handed over before, or something right."""
        known = self._handed_over.get(entry.what)
        secret = entry.sample() if known is None else Secret(known)
        self._tell(f"    {entry.custodian} types {entry.what}: {entry.check(secret)}")
        return secret

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Take what is to be written down."""
        self._handed_over[what] = bytes(secret.reveal())
        self._tell(f"    {custodian} writes down {what}")


@contextmanager
def rehearsal(script: Script, module: Path, tell: Callable[[str], None]) -> Iterator[Room]:
    """Make a room with a token and officers, and throw everything away at the end.

    Args:
        script: what will be rehearsed.
        module: SoftHSM's PKCS#11 library.
        tell: shows what happens.

    Raises:
        Refused, HsmError: the token cannot be made.
    """
    with TemporaryDirectory(prefix="tmsd-rehearsal-") as name:
        folder = Path(name)
        binding = _binding(script, module, folder)
        room = Room(binding, MadeUpPeople(binding, tell), folder, script.deployment, rehearsal=True)
        if not isinstance(script.steps[0], InitialiseToken):
            _make_token(room)
            if not any(isinstance(step, EnrolQuorum) for step in script.steps):
                step = EnrolQuorum(do="enrol-quorum", approvals=2, officers=_OFFICERS)
                with room.token() as token:
                    enrol(token, step.quorum(room, FIRST))
            leave_keys(script, room)
        leave_backups(script, room)
        leave_wrapped_keys(script, room)
        yield room


def _binding(script: Script, module: Path, folder: Path) -> Binding:
    names = {
        name for step in script.steps if isinstance(step, QuorumStep) for name in step.officers
    }
    if not any(isinstance(step, EnrolQuorum) for step in script.steps):
        names.update(_OFFICERS)
    tokens = folder / "tokens"
    tokens.mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(_CONFIGURATION.format(tokens=tokens))
    return Binding(
        operator="operator",
        hsm=HsmConfig(
            module=module,
            token_label=_LABEL,
            pin_file=folder / "pin",
            latch_file=folder / "latch",
            environment={"SOFTHSM2_CONF": str(configuration)},
        ),
        so_pin_file=folder / "so-pin",
        officers={name: _made_up_officer(name, folder) for name in sorted(names)},
    )


def _made_up_officer(name: str, folder: Path) -> OfficerOfBinding:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return OfficerOfBinding(name=name, person=name, public_key=public, private_key=private)


def _make_token(room: Room) -> None:
    InitialiseToken(do="initialise-token").perform(room)
