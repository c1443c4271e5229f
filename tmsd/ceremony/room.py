"""What steps work with: the token, the people, and a folder for what comes of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.binding import Binding
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.minutes import Event, Minutes
from tmsd.ceremony.people import People
from tmsd.ceremony.refusal import Refused


@dataclass(frozen=True, slots=True)
class Room:
    """Where a ceremony takes place.

    Attributes:
        binding: the token, and who plays which part.
        people: asks them.
        folder: for certificates, requests and backups that come of the steps.
        deployment: whose keys they are.
        rehearsal: whether the token is thrown away afterwards.
        minutes: what is put on record before a secret is shown.
        approved: what the request of the step says that is performed.
    """

    binding: Binding
    people: People
    folder: Path
    deployment: str
    rehearsal: bool = False
    minutes: Minutes | None = None
    approved: Mapping[str, str | int | bool] = field(default_factory=dict)

    @contextmanager
    def token(self) -> Iterator[Token]:
        """Log in, writable, for the length of one step.

        Raises:
            HsmError: as configured_token does.
        """
        with configured_token(self.binding.hsm, writable=True) as token:
            yield token

    def require_custodians(self, names: Sequence[str]) -> None:
        """Make sure that the binding has these custodians; a rehearsal makes them up.

        Raises:
            Refused: it has not all of them.
        """
        missing = [name for name in names if name not in self.binding.custodians]
        if missing and not self.rehearsal:
            raise Refused(f"the binding has no custodians {', '.join(missing)}")

    def hand_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Put on record that a custodian will be shown a secret, and show it to them alone.

        Raises:
            Refused: nobody takes minutes.
            Ended: they are not there.
        """
        if self.minutes is None:
            raise Refused("a secret is shown in a ceremony alone, of which there are minutes")
        self.minutes.note(Event.SHOWN, {"custodian": custodian, "what": what})
        self.people.handed_over(custodian, what, secret)
