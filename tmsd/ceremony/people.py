"""Who is in the room, as steps ask them: on a terminal, or in a rehearsal by a program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hsm.secret import Secret
from tmsd.ceremony.step import Facts
from tmsd.quorum.approval import Approval
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request


class Ended(Exception):
    """Somebody wants the ceremony to stop here; it can be resumed."""


def _in_one_line(_typed: Secret) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a custodian is to type.

    Attributes:
        custodian: who.
        what: as `component 2 of 3 of key 'pilot' version 1`.
        check: returns what confirms what was typed, as `KCV 0a1b2c`; raises HsmError or Refused
            where it must be typed again.
        sample: returns something that would be right, for a rehearsal.
        missing: returns what is still to be typed after this, as `words 4 to 33`, or nothing;
            raises Refused where the end of it is wrong already.
    """

    custodian: str
    what: str
    check: Callable[[Secret], str]
    sample: Callable[[], Secret]
    missing: Callable[[Secret], str] = _in_one_line


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a ceremony has come, and what is next.

    Attributes:
        title: of what is next, as `Step 2 of 9`.
        said: what it does, in plain words.
        done: how many steps are done.
        steps: how many there are.
    """

    title: str
    said: tuple[str, ...]
    done: int
    steps: int

    @property
    def text(self) -> str:
        """All that is said of it, as officers approve it."""
        return " ".join(self.said)


class People(Protocol):
    """The persons of a ceremony."""

    def begin(self, stage: Stage) -> None:
        """Show everybody what is next."""

    def tell(self, *lines: str) -> None:
        """Show everybody something that they should know before they go on."""

    def finish(self, facts: Facts) -> None:
        """Show everybody what came of it."""

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        """Show a request, and return the approvals of those who agree.

        Raises:
            Ended: nobody will.
        """

    def entered(self, entry: Entry) -> Secret:
        """Let one custodian, who is alone at the screen, type a secret.

        Raises:
            Ended: they will not.
        """

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Show one custodian, who is alone at the screen, a secret to write down; then clear it.

        Raises:
            Ended: they are not there.
        """
