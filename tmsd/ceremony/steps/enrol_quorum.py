"""Step: enrol the security officers, whom the token knows from then on."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hsm.data_objects import read_documents, replace_documents
from hsm.token import Token
from tmsd.ceremony.binding import Binding
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step
from tmsd.config.reserved_keys import QUORUM_DOCUMENT
from tmsd.config.table import TOML
from tmsd.config.values import DISTINCT, Name
from tmsd.quorum import canonical
from tmsd.quorum.quorum import MOST_OFFICERS, Quorum, newest, require_sound


class EnrolQuorum(Step):
    """`enrol-quorum`: all who are enrolled have to approve, each with the key that is pinned.

    Attributes:
        approvals: how many persons have to approve from then on.
        officers: their names; the binding has their public keys.
    """

    do: Literal["enrol-quorum"]
    approvals: Annotated[int, Field(ge=1, le=MOST_OFFICERS)]
    officers: Annotated[tuple[Name, ...], TOML, DISTINCT, Field(min_length=1)]

    @property
    def needs_everybody(self) -> bool:
        """Whether every officer has to approve it: here each shows to have the key."""
        return True

    def said(self) -> Iterator[str]:
        """Yield who is enrolled."""
        yield f"Enrol {', '.join(self.officers)} as security officers, by their public keys."
        yield f"From then on {self.approvals} of these {len(self.officers)} have to approve."

    def quorum(self, binding: Binding, deployment: str, *, rehearsal: bool) -> Quorum:
        """Return the quorum that is enrolled.

        Raises:
            Refused: the binding has not all of them.
            ApprovalRefused: it would be no quorum.
        """
        if missing := [name for name in self.officers if name not in binding.officers]:
            raise Refused(f"the binding has no officers {', '.join(missing)}")
        quorum = Quorum(
            deployment=deployment,
            number=1,
            approvals=self.approvals,
            officers=tuple(binding.officers[name].officer() for name in self.officers),
            rehearsal=rehearsal,
        )
        require_sound(quorum)
        return quorum

    def perform(self, room: Room) -> Facts:
        """Pin them in the token."""
        quorum = self._quorum(room)
        with room.token() as token:
            enrol(token, quorum)
        return _facts(quorum)

    def found(self, room: Room) -> Facts | None:
        """Return the quorum that is pinned, if it is this one."""
        with room.token() as token:
            pinned = pinned_quorum(token)
        if pinned is None:
            return None
        if pinned != self._quorum(room):
            raise Refused("the token has another quorum than the script enrols")
        return _facts(pinned)

    def _quorum(self, room: Room) -> Quorum:
        return self.quorum(room.binding, room.deployment, rehearsal=room.rehearsal)


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


def _facts(quorum: Quorum) -> Facts:
    return {
        "quorum": quorum.number,
        "quorum_sha256": quorum.digest,
        "approvals": quorum.approvals,
        "officers": ", ".join(officer.name for officer in quorum.officers),
    }
