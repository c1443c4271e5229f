"""Reviewing minutes: what anybody can check of a ceremony, offline and by public keys alone.

The chain must be whole (tmsd/audit/verification.py), each step asked for, approved by enough
officers, begun and done in the order of the script, and the end signed. Every fault has the name of
its rule and its line; the first is where to look.
"""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from tmsd.audit.record import Record, RecordError
from tmsd.audit.verification import verify
from tmsd.ceremony.approving import CLOSE, STEP
from tmsd.ceremony.minutes import Event
from tmsd.quorum.approval import Approval, require_approved
from tmsd.quorum.quorum import Officer, Quorum, require_sound
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.quorum.request import Request


class Rule(StrEnum):
    """What is wrong with minutes; docs/ceremonies.md explains each."""

    CHAIN_BROKEN = "chain-broken"
    NOT_OPENED = "not-opened"
    OPENED_TWICE = "opened-twice"
    OTHER_CEREMONY = "other-ceremony"
    FACT_MALFORMED = "fact-malformed"
    QUORUM_UNSOUND = "quorum-unsound"
    QUORUM_NOT_THE_PINNED = "quorum-not-the-pinned"
    STEP_OUT_OF_ORDER = "step-out-of-order"
    STEP_NOT_APPROVED = "step-not-approved"
    STEP_NOT_BEGUN = "step-not-begun"
    NOT_CLOSED = "not-closed"
    CLOSED_EARLY = "closed-early"
    AFTER_THE_CLOSE = "after-the-close"
    NOT_SIGNED = "not-signed"


@dataclass(frozen=True, slots=True)
class Fault:
    """A line, counted from 1, and what is wrong there."""

    line: int
    rule: str
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.rule}: {self.words}"


@dataclass(frozen=True, slots=True)
class Review:
    """What minutes tell.

    Attributes:
        records: every line that is one, in order.
        faults: in the order of the file.
        steps: how many were done.
        signed_by: the officers under the end, if it is signed.
    """

    records: tuple[Record, ...]
    faults: tuple[Fault, ...]
    steps: int
    signed_by: tuple[str, ...]


# How the close is signed, and how it comes to that after an interruption.
_AFTER_THE_CLOSE = frozenset(
    {Event.RESUMED, Event.QUORUM, Event.OFFICER, Event.ASKED, Event.APPROVED, Event.SIGNED}
)


class _Wrong(Exception):
    """A line that breaks a rule."""

    def __init__(self, rule: Rule, words: str) -> None:
        super().__init__(words)
        self.rule = rule
        self.words = words


def review(path: Path, pinned: Quorum | None = None) -> Review:
    """Read minutes and check all that can be checked.

    Args:
        path: the minutes.
        pinned: the quorum that is known from elsewhere; without it, officers are who the minutes
            say they are.

    Raises:
        OSError: they cannot be read.
    """
    faults = [
        Fault(fault.line, Rule.CHAIN_BROKEN, f"{fault.reason}: {fault.detail}")
        for fault in verify(path).faults
    ]
    records = []
    reading = _Reading(pinned)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = Record.parse(line)
            except RecordError:
                continue  # the chain is broken here, which has been told
            records.append(record)
            try:
                reading.take(record)
            except _Wrong as wrong:
                faults.append(Fault(number, wrong.rule, wrong.words))
    faults += [Fault(len(records), wrong.rule, wrong.words) for wrong in reading.missing()]
    return Review(
        tuple(records),
        tuple(sorted(faults, key=lambda fault: fault.line)),
        reading.done,
        reading.signed_by,
    )


@dataclass(slots=True)
class _Reading:
    """Minutes as far as they were read: what may come next."""

    pinned: Quorum | None
    ceremony: str | None = None
    deployment: str = ""
    rehearsal: bool = False
    steps: int = 0
    done: int = 0
    begun: int | None = None
    closed: str | None = None
    signed_by: tuple[str, ...] = ()
    announced: dict[str, str | int | bool] = field(default_factory=dict)
    officers: list[Officer] = field(default_factory=list)
    quorum: Quorum | None = None
    known: str | None = None
    changed_to: object = None
    asked: Request | None = None
    approvals: list[Approval] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Go on by one record.

        Raises:
            _Wrong: it must not stand here.
        """
        event = record.decision.operation
        if event not in set(Event):
            return
        if self.ceremony is None and event != Event.OPENED:
            raise _Wrong(Rule.NOT_OPENED, "a ceremony is opened before anything else happens")
        if self.ceremony is not None and record.decision.request_id != self.ceremony:
            raise _Wrong(Rule.OTHER_CEREMONY, "it is of another ceremony")
        if self.closed and event not in _AFTER_THE_CLOSE:
            raise _Wrong(Rule.AFTER_THE_CLOSE, "nothing is done after the close")
        _TAKES[Event(event)](self, record)

    def opened(self, record: Record) -> None:
        """Take what will happen."""
        if self.ceremony is not None:
            raise _Wrong(Rule.OPENED_TWICE, "the minutes are of two ceremonies")
        self.ceremony = record.decision.request_id
        self.deployment = _text(record, "deployment")
        self.rehearsal = record.decision.details.get("rehearsal") is True
        self.steps = _number(record, "steps")

    def quorum_told(self, record: Record) -> None:
        """Take which quorum it is; its officers follow."""
        told = record.decision.details.get("quorum_sha256")
        if self.known is not None and told not in (self.known, self.changed_to):
            raise _Wrong(Rule.QUORUM_UNSOUND, "no step has changed the quorum to this one")
        self.announced = dict(record.decision.details)
        self.officers, self.quorum = [], None

    def officer(self, record: Record) -> None:
        """Take an officer; the last makes the quorum whole."""
        try:
            public_key = b64decode(_text(record, "public_key"), validate=True).hex()
        except ValueError:
            raise _Wrong(Rule.FACT_MALFORMED, "public_key is no base64") from None
        self.officers.append(Officer(_text(record, "officer"), _text(record, "person"), public_key))
        if len(self.officers) == self.announced.get("officers"):
            self.quorum = self._whole_quorum()

    def asked_for(self, record: Record) -> None:
        """Take what officers are asked, made again from what the minutes say of it."""
        self.asked, self.approvals = None, []
        facts: dict[str, object] = dict(record.decision.details)
        own = {name: facts.pop(name, None) for name in ("request", "action", "expires")}
        fields = {
            "deployment": self.deployment,
            "action": own["action"],
            "parameters": facts | {"ceremony": self.ceremony},
            "quorum": self._quorum().digest,
            "policy_version": 0,
            "request_id": own["request"],
            "requester": record.decision.caller,
            "expires": own["expires"],
        }
        try:
            self.asked = msgspec.convert(fields, Request)
        except msgspec.ValidationError as error:
            raise _Wrong(Rule.FACT_MALFORMED, str(error)) from None

    def approved(self, record: Record) -> None:
        """Take an approval, which is looked at when something is done by it."""
        asked = self._asked(record)
        try:
            signature = b64decode(_text(record, "signature"), validate=True).hex()
        except ValueError:
            raise _Wrong(Rule.FACT_MALFORMED, "signature is no base64") from None
        self.approvals.append(
            Approval(
                request_sha256=asked.digest.hex(),
                officer=_text(record, "officer"),
                signature=signature,
            )
        )

    def begins(self, record: Record) -> None:
        """Make sure that the next step of the script begins, and was approved."""
        number = _number(record, "step")
        if number != self.done + 1:
            raise _Wrong(
                Rule.STEP_OUT_OF_ORDER, f"step {number} begins where step {self.done + 1} should"
            )
        self.begun = number
        asked = self._asked(record)
        if asked.action != STEP or asked.parameters.get("step") != number:
            raise _Wrong(Rule.STEP_NOT_APPROVED, f"what was approved is not step {number}")
        self._require_approved(record, Rule.STEP_NOT_APPROVED)

    def ended(self, record: Record) -> None:
        """Make sure that what is done, or has failed, had begun."""
        number = _number(record, "step")
        if self.begun != number:
            raise _Wrong(Rule.STEP_NOT_BEGUN, f"step {number} ends, and had not begun")
        self.begun = None
        if record.decision.operation == Event.DONE:
            self.done = number
            self.changed_to = record.decision.details.get("quorum_sha256")

    def closes(self, record: Record) -> None:
        """Take the end."""
        if self.done != self.steps:
            raise _Wrong(Rule.CLOSED_EARLY, f"{self.done} of {self.steps} steps are done")
        self.closed = record.hash

    def signs(self, record: Record) -> None:
        """Make sure that the officers signed the hash of the closing record."""
        asked = self._asked(record)
        if asked.action != CLOSE or asked.parameters.get("minutes_sha256") != self.closed:
            raise _Wrong(Rule.NOT_SIGNED, "what was signed is not the close of these minutes")
        self._require_approved(record, Rule.NOT_SIGNED)
        self.signed_by = tuple(approval.officer for approval in self.approvals)

    def passes(self, record: Record) -> None:
        """Pass over what needs nothing."""

    def missing(self) -> Iterator[_Wrong]:
        """Yield what should have come before the end."""
        if self.ceremony is None:
            yield _Wrong(Rule.NOT_OPENED, "no ceremony was opened")
        elif self.closed is None:
            yield _Wrong(Rule.NOT_CLOSED, f"{self.done} of {self.steps} steps are done, no more")
        elif not self.signed_by:
            yield _Wrong(Rule.NOT_SIGNED, "the officers have not signed the close")

    def _whole_quorum(self) -> Quorum:
        fields = {
            "deployment": self.deployment,
            "number": self.announced.get("quorum"),
            "approvals": self.announced.get("approvals"),
            "officers": [msgspec.to_builtins(officer) for officer in self.officers],
            "rehearsal": self.rehearsal,
        }
        try:
            quorum = msgspec.convert(fields, Quorum)
            require_sound(quorum)
        except (msgspec.ValidationError, ApprovalRefused) as error:
            raise _Wrong(Rule.QUORUM_UNSOUND, str(error)) from None
        if quorum.digest != self.announced.get("quorum_sha256"):
            raise _Wrong(Rule.QUORUM_UNSOUND, "its hash is not the hash of its officers")
        pinned, self.pinned = self.pinned, None  # what comes after it follows from it
        if pinned is not None and pinned != quorum:
            words = "these are not the officers of the quorum that is known"
            raise _Wrong(Rule.QUORUM_NOT_THE_PINNED, words)
        self.known = quorum.digest
        return quorum

    def _quorum(self) -> Quorum:
        if self.quorum is None:
            raise _Wrong(Rule.QUORUM_UNSOUND, "it is not told who the officers are")
        return self.quorum

    def _asked(self, record: Record) -> Request:
        if self.asked is None or record.decision.details.get("request") != self.asked.request_id:
            raise _Wrong(Rule.STEP_NOT_APPROVED, "it is not told what was asked")
        return self.asked

    def _require_approved(self, record: Record, rule: Rule) -> None:
        quorum, asked = self._quorum(), self._asked(record)
        try:
            officers = require_approved(asked, quorum, self.approvals, record.time)
        except ApprovalRefused as refused:
            raise _Wrong(rule, str(refused)) from None
        if asked.parameters.get("everybody") is True and len(
            {officer.name for officer in officers}
        ) < len(quorum.officers):
            raise _Wrong(rule, "each officer has to approve it, and not all have")


_TAKES = {
    Event.OPENED: _Reading.opened,
    Event.RESUMED: _Reading.passes,
    Event.QUORUM: _Reading.quorum_told,
    Event.OFFICER: _Reading.officer,
    Event.ASKED: _Reading.asked_for,
    Event.APPROVED: _Reading.approved,
    Event.BEGUN: _Reading.begins,
    Event.SHOWN: _Reading.passes,
    Event.FAILED: _Reading.ended,
    Event.DONE: _Reading.ended,
    Event.CLOSED: _Reading.closes,
    Event.SIGNED: _Reading.signs,
}


def _text(record: Record, name: str) -> str:
    value = record.decision.details.get(name)
    if not isinstance(value, str):
        raise _Wrong(Rule.FACT_MALFORMED, f"{name} should be text")
    return value


def _number(record: Record, name: str) -> int:
    value = record.decision.details.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Wrong(Rule.FACT_MALFORMED, f"{name} should be a number")
    return value
