"""What steps that say who the security officers are have in common."""

from abc import ABC
from typing import Annotated

from pydantic import Field

from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step
from tmsd.config.table import TOML
from tmsd.config.values import DISTINCT, Name
from tmsd.quorum.quorum import MOST_OFFICERS, Quorum, require_sound


class QuorumStep(Step, ABC):
    """A step after which these are the officers.

    Attributes:
        approvals: how many persons have to approve from then on.
        officers: their names; the binding has their public keys.
    """

    approvals: Annotated[int, Field(ge=1, le=MOST_OFFICERS)]
    officers: Annotated[tuple[Name, ...], TOML, DISTINCT, Field(min_length=1)]

    @property
    def rule(self) -> str:
        """How many it takes, in words."""
        return f"From then on {self.approvals} of these {len(self.officers)} have to approve."

    def quorum(self, room: Room, number: int) -> Quorum:
        """Return the quorum of these officers.

        Raises:
            Refused: the binding has not all of them.
            ApprovalRefused: it would be no quorum.
        """
        known = room.binding.officers
        if missing := [name for name in self.officers if name not in known]:
            raise Refused(f"the binding has no officers {', '.join(missing)}")
        quorum = Quorum(
            deployment=room.deployment,
            number=number,
            approvals=self.approvals,
            officers=tuple(known[name].officer for name in self.officers),
            rehearsal=room.rehearsal,
        )
        require_sound(quorum)
        return quorum


def quorum_facts(quorum: Quorum) -> Facts:
    """Return what the minutes say of a quorum that is pinned."""
    return {
        "quorum": quorum.number,
        "quorum_sha256": quorum.digest,
        "approvals": quorum.approvals,
        "officers": ", ".join(officer.name for officer in quorum.officers),
    }
