"""A step of a ceremony: what a script says of it, what it does, and how it is found again.

Each kind of step is a subclass in a file of its own in steps/. A step is done or not done, never
half: what it leaves in the token comes of one call, or is removed where the rest of it fails.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tmsd.config.table import Table
from tmsd.config.toml import Complaint
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import LONGEST_VALUE

if TYPE_CHECKING:
    from tmsd.ceremony.room import Room

Facts = Mapping[str, str | int | bool]
"""What the minutes say of a step that was done; nothing of it is secret."""


class Step(Table):
    """One table `[[steps]]` of a script.

    Attributes:
        do: the kind of step.
    """

    do: str

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint where it has more to say than officers approve in one request."""
        if (length := len(" ".join(self.said()))) > LONGEST_VALUE:
            yield Complaint((), f"takes {length} characters to say; {LONGEST_VALUE} are the most")

    @property
    def needs_everybody(self) -> bool:
        """Whether every officer of the quorum has to approve, and not as many as it takes."""
        return False

    def quorum_after(self, room: "Room", quorum: Quorum) -> Quorum:  # noqa: ARG002  for those that change it
        """Return which quorum the token knows once the step is done, where it knows `quorum`.

        Raises:
            Refused, ApprovalRefused: it could not take its place.
        """
        return quorum

    def also_asked(self, room: "Room") -> Facts:  # noqa: ARG002  for those that depend on the token
        """Return what officers approve beside what the step says of itself; most often nothing.

        Raises:
            HsmError: the token refuses.
            ApprovalRefused: what it holds cannot be said.
        """
        return {}

    @abstractmethod
    def said(self) -> Iterator[str]:
        """Yield, in plain words, what the step does; officers approve these very words."""

    @abstractmethod
    def perform(self, room: "Room") -> Facts:
        """Do it; `room.approved` is what was approved.

        Raises:
            Refused: a rule forbids it; nothing was changed.
            HsmError: the token refuses.
        """

    @abstractmethod
    def found(self, room: "Room") -> Facts | None:
        """Return what the minutes would say if it was done already, before an interruption.

        `room.approved` is what was approved when it began.

        Raises:
            HsmError: the token refuses.
        """
