"""Step: enrol the security officers, whom the token knows from then on."""

from collections.abc import Iterator
from typing import Literal

from hsm.data_objects import read_documents, replace_documents
from hsm.token import Token
from tmsd.ceremony.quorum_step import QuorumStep, quorum_facts
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.config.reserved_keys import QUORUM_DOCUMENT
from tmsd.quorum import canonical
from tmsd.quorum.quorum import Quorum, newest

FIRST = 1
"""The number of the quorum that is enrolled."""


class EnrolQuorum(QuorumStep):
    """`enrol-quorum`: all who are enrolled have to approve, each with the key that is pinned."""

    do: Literal["enrol-quorum"]

    @property
    def needs_everybody(self) -> bool:
        """Whether every officer has to approve it: here each shows to have the key."""
        return True

    def said(self) -> Iterator[str]:
        """Yield who is enrolled."""
        yield f"Enrol {', '.join(self.officers)} as security officers, by their public keys."
        yield self.rule

    def perform(self, room: Room) -> Facts:
        """Pin them in the token."""
        quorum = self.quorum(room, FIRST)
        with room.token() as token:
            enrol(token, quorum)
        return quorum_facts(quorum)

    def found(self, room: Room) -> Facts | None:
        """Return the quorum that is pinned, if it is this one."""
        with room.token() as token:
            pinned = pinned_quorum(token)
        if pinned is None:
            return None
        if pinned != self.quorum(room, FIRST):
            raise Refused("the token has another quorum than the script enrols")
        return quorum_facts(pinned)


def enrol(token: Token, quorum: Quorum) -> None:
    """Pin a quorum in a token that has none.

    Args:
        token: opened writable.
        quorum: a sound one.

    Raises:
        Refused: there is one.
        HsmError: the token refuses.
    """
    if pinned_quorum(token) is not None:
        raise Refused("the token has a quorum already, which alone can change it")
    replace_documents(token, QUORUM_DOCUMENT, canonical.encode(quorum))


def pinned_quorum(token: Token) -> Quorum | None:
    """Return the quorum that a token knows; None before there is one.

    Raises:
        ApprovalRefused: what it keeps is none.
        HsmError: the token refuses.
    """
    return newest(read_documents(token, QUORUM_DOCUMENT))
