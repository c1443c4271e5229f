"""Step: put a quorum in the place of the one that the token knows, which alone can allow it."""

from collections.abc import Iterator
from typing import Literal

from hsm.data_objects import drop_others, replace_documents
from hsm.errors import HsmError
from tmsd.ceremony.quorum_step import QuorumStep, quorum_facts
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.steps.enrol_quorum import pinned_quorum
from tmsd.config.reserved_keys import QUORUM_DOCUMENT
from tmsd.quorum import canonical
from tmsd.quorum.quorum import Quorum


class ChangeQuorum(QuorumStep):
    """`change-quorum`: the quorum approves what takes its place, whose officers show their keys."""

    do: Literal["change-quorum"]

    def said(self) -> Iterator[str]:
        """Yield who the officers are from then on."""
        yield f"Change the security officers: from then on they are {', '.join(self.officers)}."
        yield self.rule
        yield "What was approved before and not done yet dies with this."

    def quorum_after(self, room: Room, quorum: Quorum) -> Quorum:
        """Return the quorum that takes the place of another.

        Raises:
            Refused: it is the same, or the binding has not all officers.
            ApprovalRefused: it would be no quorum.
        """
        new = self.quorum(room, quorum.number + 1)
        if _same(new, quorum):
            raise Refused(f"the quorum number {quorum.number} is of these officers already")
        return new

    def perform(self, room: Room) -> Facts:
        """Pin it in the place of the other."""
        with room.token() as token:
            pinned = pinned_quorum(token)
            if pinned is None:
                raise Refused(
                    "the token has no quorum that could be changed; enrol-quorum is meant"
                )
            new = self.quorum_after(room, pinned)
            if new.digest != room.approved.get("new_quorum_sha256"):
                raise Refused(
                    f"the token has quorum number {pinned.number} by now, and what was approved "
                    "takes the place of another"
                )
            try:
                replace_documents(token, QUORUM_DOCUMENT, canonical.encode(new))
            except HsmError:
                if pinned_quorum(token) != new:  # else the old one alone could not be destroyed
                    raise
        return quorum_facts(new)

    def found(self, room: Room) -> Facts | None:
        """Return the quorum that is pinned, if it is this one; the one before goes in any case."""
        with room.token() as token:
            pinned = pinned_quorum(token)
            if pinned is None or not _same(pinned, self.quorum(room, pinned.number)):
                return None
            drop_others(token, QUORUM_DOCUMENT, canonical.encode(pinned))
        return quorum_facts(pinned)


def _same(one: Quorum, other: Quorum) -> bool:
    return (one.approvals, set(one.officers)) == (other.approvals, set(other.officers))
