"""Asking the quorum for a step: which quorum it is, what it is asked, and what it answers."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from hsm.errors import TokenNotFound
from tmsd import clock
from tmsd.ceremony.minutes import Event, Minutes
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script
from tmsd.ceremony.step import Step
from tmsd.ceremony.steps.enrol_quorum import FIRST, EnrolQuorum, pinned_quorum
from tmsd.quorum.approval import require_approved
from tmsd.quorum.quorum import Quorum, require_in_earnest
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import Request

STEP = "ceremony.step"
JOIN = "ceremony.join-quorum"
CLOSE = "ceremony.close"

_SECONDS_TO_APPROVE = 12 * 3600
Parameters = Mapping[str, str | int | bool]


def quorum_of(script: Script, room: Room) -> Quorum:
    """Return the quorum that the token knows, or else the one that the script is to enrol.

    Raises:
        Refused: there is neither.
        ApprovalRefused: it is none, or that of a rehearsal.
        HsmError: the token refuses.
    """
    try:
        with room.token() as token:
            pinned = pinned_quorum(token)
    except TokenNotFound:
        pinned = None  # it is yet to be initialised
    if pinned is not None:
        if not room.rehearsal:
            require_in_earnest(pinned)
        if pinned.deployment != script.deployment:
            raise Refused(
                f"the token is of {pinned.deployment}, and the script of {script.deployment}"
            )
        return pinned
    for step in script.steps:
        if isinstance(step, EnrolQuorum):
            return step.quorum(room, FIRST)
    raise Refused("the token knows no quorum, and the script enrols none: nobody could approve")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of a script that is about to be done.

    Attributes:
        script: of the ceremony.
        ceremony: its id.
        number: of the step, from 1.
        operator: who asks.
    """

    script: Script
    ceremony: str
    number: int
    operator: str

    @property
    def step(self) -> Step:
        """The step."""
        return self.script.steps[self.number - 1]

    def request(self, quorum: Quorum, after: Quorum, also: Parameters) -> Request:
        """Return what officers are asked before it: all that it says of itself.

        Args:
            quorum: who is asked.
            after: the quorum once it is done.
            also: what depends on the token.
        """
        everybody = self.step.needs_everybody
        parameters = {**also, **self._parameters(quorum, after, everybody=everybody)}
        return request(STEP, parameters, quorum, self.operator)

    def request_to_join(self, quorum: Quorum, after: Quorum) -> Request:
        """Return what the officers of a new quorum are asked, so that each shows to have the key.

        Args:
            quorum: in whose place they would be.
            after: of whom they are.
        """
        return request(JOIN, self._parameters(quorum, after, everybody=True), after, self.operator)

    def _parameters(self, quorum: Quorum, after: Quorum, *, everybody: bool) -> Parameters:
        parameters: Parameters = {
            "ceremony": self.ceremony,
            "script_sha256": self.script.sha256,
            "step": self.number,
            "of": len(self.script.steps),
            "does": " ".join(self.step.said()),
            "everybody": everybody,
        }
        if after == quorum:
            return parameters
        return {**parameters, "new_quorum": after.number, "new_quorum_sha256": after.digest}


def request(action: str, parameters: Parameters, quorum: Quorum, operator: str) -> Request:
    """Return a request of an action of ceremonies."""
    return Request(
        deployment=quorum.deployment,
        action=action,
        parameters=dict(parameters),
        quorum=quorum.digest,
        policy_version=0,
        request_id=secrets.token_hex(16),
        requester=operator,
        expires=int(clock.now().timestamp()) + _SECONDS_TO_APPROVE,
    )


def require_approval(
    asked: Request, quorum: Quorum, room: Room, minutes: Minutes, *, everybody: bool = False
) -> None:
    """Ask the officers in the room, and put on record what they answer.

    Raises:
        Ended: they do not agree.
        ApprovalRefused: the rule says what is wrong.
    """
    minutes.note(Event.ASKED, facts_of(asked))
    given = room.people.approvals(asked, quorum)
    officers = require_approved(asked, quorum, given, clock.now())
    if everybody and (missing := _missing(quorum, {officer.name for officer in officers})):
        raise ApprovalRefused(
            Rule.APPROVALS_MISSING, f"each officer has to approve this; missing: {missing}"
        )
    for approval in given:
        minutes.note(
            Event.APPROVED,
            {
                "request": asked.request_id,
                "officer": approval.officer,
                "signature": approval.signature_base64,
            },
        )


def facts_of(asked: Request) -> Parameters:
    """Return what the minutes say of a request: enough to make it again, and verify approvals."""
    return {
        "request": asked.request_id,
        "action": asked.action,
        "expires": asked.expires,
        **{name: value for name, value in asked.parameters.items() if name != "ceremony"},
    }


def _missing(quorum: Quorum, approving: set[str]) -> str:
    return ", ".join(officer.name for officer in quorum.officers if officer.name not in approving)
