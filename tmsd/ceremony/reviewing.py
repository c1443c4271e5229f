"""Reviewing minutes: what anybody can check of a ceremony, offline and by public keys alone.

The chain must be whole (tmsd/audit/verification.py), each step asked for, approved by enough
officers, begun and done in the order of the script, and the end signed. Every fault has the name of
its rule and its line; the first is where to look.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tmsd.audit.record import Record, RecordError
from tmsd.audit.verification import lines_of, verify
from tmsd.ceremony.approving import CLOSE, JOIN, STEP
from tmsd.ceremony.attesting import require_attested
from tmsd.ceremony.minutes import Event
from tmsd.ceremony.minutes_rule import Rule, RuleBroken, bytes_of, number_of, text_of
from tmsd.ceremony.told_quorum import ToldQuorum
from tmsd.quorum.approval import Approval, require_approved
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.quorum.request import Request


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
        attested_by: the SHA-256 of the audit key's public half, if it signed the end; or nothing.
        rehearsal: whether they say that it was one.
    """

    records: tuple[Record, ...]
    faults: tuple[Fault, ...]
    steps: int
    signed_by: tuple[str, ...]
    attested_by: str = ""
    rehearsal: bool = False

    @property
    def disorder(self) -> Fault | None:
        """The first fault, but for what an interrupted ceremony has not come to yet."""
        return next((fault for fault in self.faults if fault.rule not in _YET_TO_COME), None)


_YET_TO_COME = frozenset({Rule.NOT_CLOSED, Rule.NOT_ATTESTED, Rule.NOT_SIGNED})

# How the close is signed, and how it comes to that after an interruption.
_AFTER_THE_CLOSE = frozenset(
    {
        Event.RESUMED,
        Event.QUORUM,
        Event.OFFICER,
        Event.ATTESTED,
        Event.ASKED,
        Event.APPROVED,
        Event.SIGNED,
    }
)


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
    number = 1
    reading = _Reading(ToldQuorum(pinned))
    with path.open("rb") as file:
        for number, line in enumerate(lines_of(file), start=1):
            try:
                record = Record.parse(line)
            except RecordError:
                continue  # the chain is broken here, which has been told
            records.append(record)
            try:
                reading.take(record)
            except RuleBroken as wrong:
                faults.append(Fault(number, wrong.rule, wrong.words))
    faults += [Fault(number, wrong.rule, wrong.words) for wrong in reading.missing()]
    return Review(
        tuple(records),
        tuple(sorted(faults, key=lambda fault: fault.line)),
        reading.done,
        reading.signed_by,
        reading.attested_by,
        reading.quorum.rehearsal,
    )


@dataclass(slots=True)
class _Reading:
    """Minutes as far as they were read: what may come next."""

    quorum: ToldQuorum
    ceremony: str | None = None
    script_sha256: str = ""
    steps: int = 0
    done: int = 0
    begun: int | None = None
    closed: str | None = None
    audit_key: object = None
    attested_by: str = ""
    signed_by: tuple[str, ...] = ()
    joined: str | None = None
    asked: Request | None = None
    approvals: list[Approval] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Go on by one record.

        Raises:
            RuleBroken: it must not stand here.
        """
        event = record.decision.operation
        if event not in set(Event):
            return
        if self.ceremony is None and event != Event.OPENED:
            raise RuleBroken(Rule.NOT_OPENED, "a ceremony is opened before anything else happens")
        if self.ceremony is not None and record.decision.request_id != self.ceremony:
            raise RuleBroken(Rule.OTHER_CEREMONY, "it is of another ceremony")
        if self.signed_by or (self.closed and event not in _AFTER_THE_CLOSE):
            raise RuleBroken(Rule.AFTER_THE_CLOSE, "nothing is done after the close")
        _TAKES[Event(event)](self, record)

    def opened(self, record: Record) -> None:
        """Take what will happen."""
        if self.ceremony is not None:
            raise RuleBroken(Rule.OPENED_TWICE, "the minutes are of two ceremonies")
        self.ceremony = record.decision.request_id
        self.quorum.deployment = text_of(record, "deployment")
        self.quorum.rehearsal = record.decision.details.get("rehearsal") is True
        self.script_sha256 = text_of(record, "script_sha256")
        self.steps = number_of(record, "steps")

    def quorum_told(self, record: Record) -> None:
        """Take which quorum it is."""
        self.quorum.announce(record)

    def quorum_proposed(self, record: Record) -> None:
        """Take which quorum shall take its place."""
        self.quorum.propose(record)

    def officer(self, record: Record) -> None:
        """Take an officer."""
        self.quorum.officer(record)

    def asked_for(self, record: Record) -> None:
        """Take what officers are asked, made again from what the minutes say of it."""
        self._note_joined(record)
        self.asked, self.approvals = None, []
        facts: dict[str, object] = dict(record.decision.details)
        own = {name: facts.pop(name, None) for name in ("request", "action", "expires")}
        quorum = self.quorum.to_come if own["action"] == JOIN else self.quorum.present
        fields = {
            "deployment": self.quorum.deployment,
            "action": own["action"],
            "parameters": facts | {"ceremony": self.ceremony},
            "quorum": quorum.digest,
            "policy_version": 0,
            "request_id": own["request"],
            "requester": record.decision.caller,
            "expires": own["expires"],
        }
        try:
            self.asked = msgspec.convert(fields, Request)
        except msgspec.ValidationError as error:
            raise RuleBroken(Rule.FACT_MALFORMED, str(error)) from None

    def approved(self, record: Record) -> None:
        """Take an approval, which is looked at when something is done by it."""
        asked = self._asked(record)
        signature = bytes_of(record, "signature").hex()
        self.approvals.append(
            Approval(
                request_sha256=asked.digest.hex(),
                officer=text_of(record, "officer"),
                signature=signature,
            )
        )

    def begins(self, record: Record) -> None:
        """Make sure that the next step of the script begins, and was approved."""
        number = number_of(record, "step")
        if number != self.done + 1:
            raise RuleBroken(
                Rule.STEP_OUT_OF_ORDER, f"step {number} begins where step {self.done + 1} should"
            )
        self.begun = number
        asked = self._asked(record)
        place = {"step": number, "of": self.steps, "script_sha256": self.script_sha256}
        if asked.action != STEP or not place.items() <= asked.parameters.items():
            raise RuleBroken(
                Rule.STEP_NOT_APPROVED,
                f"what was approved is not step {number} of {self.steps} of this script",
            )
        self._require_approved(record, Rule.STEP_NOT_APPROVED)
        self.asked = None  # an approval serves once
        self.quorum.becomes = asked.parameters.get("new_quorum_sha256")
        if self.quorum.becomes not in (None, self.joined):
            raise RuleBroken(
                Rule.STEP_NOT_APPROVED,
                "not each officer of the quorum to come has shown to have their key",
            )

    def fails(self, record: Record) -> None:
        """Make sure that what has failed, begun or refused before that, is the next step."""
        number = number_of(record, "step")
        if number != self.done + 1:
            raise RuleBroken(
                Rule.STEP_OUT_OF_ORDER, f"step {number} fails where step {self.done + 1} is next"
            )
        self.begun = None

    def is_done(self, record: Record) -> None:
        """Make sure that what is done had begun."""
        number = number_of(record, "step")
        if self.begun != number:
            raise RuleBroken(Rule.STEP_NOT_BEGUN, f"step {number} is done, and had not begun")
        self.begun, self.done = None, number
        self.quorum.changed(record)

    def closes(self, record: Record) -> None:
        """Take the end."""
        if self.done != self.steps:
            raise RuleBroken(Rule.CLOSED_EARLY, f"{self.done} of {self.steps} steps are done")
        self.closed, self.audit_key = record.hash, record.decision.details.get("audit_key")

    def attests(self, record: Record) -> None:
        """Make sure that the token's audit key signed the hash of the closing record."""
        require_attested(record, self.audit_key, self.closed)
        self.attested_by = str(self.audit_key)

    def signs(self, record: Record) -> None:
        """Make sure that the officers signed the hash of the closing record."""
        asked = self._asked(record)
        if asked.action != CLOSE or asked.parameters.get("minutes_sha256") != self.closed:
            raise RuleBroken(Rule.NOT_SIGNED, "what was signed is not the close of these minutes")
        self._require_approved(record, Rule.NOT_SIGNED)
        self.signed_by = tuple(approval.officer for approval in self.approvals)

    def passes(self, record: Record) -> None:
        """Pass over what needs nothing."""

    def missing(self) -> Iterator[RuleBroken]:
        """Yield what should have come before the end."""
        if self.ceremony is None:
            yield RuleBroken(Rule.NOT_OPENED, "no ceremony was opened")
        elif self.closed is None:
            yield RuleBroken(
                Rule.NOT_CLOSED, f"{self.done} of {self.steps} steps are done, no more"
            )
        else:
            if self.audit_key is not None and not self.attested_by:
                yield RuleBroken(Rule.NOT_ATTESTED, "the audit key has not signed the close")
            if not self.signed_by:
                yield RuleBroken(Rule.NOT_SIGNED, "the officers have not signed the close")

    def _note_joined(self, record: Record) -> None:
        """Remember which quorum to come it is of which each officer has shown to have their key."""
        if self.asked is None or self.asked.action != JOIN:
            return
        to_come = self.quorum.to_come
        try:
            officers = require_approved(self.asked, to_come, self.approvals, record.time)
        except ApprovalRefused:
            return  # it is a fault if a step begins by it
        if len({officer.name for officer in officers}) == len(to_come.officers):
            self.joined = to_come.digest

    def _asked(self, record: Record) -> Request:
        if self.asked is None or record.decision.details.get("request") != self.asked.request_id:
            raise RuleBroken(Rule.STEP_NOT_APPROVED, "it is not told what was asked")
        return self.asked

    def _require_approved(self, record: Record, rule: Rule) -> None:
        quorum, asked = self.quorum.present, self._asked(record)
        try:
            officers = require_approved(asked, quorum, self.approvals, record.time)
        except ApprovalRefused as refused:
            raise RuleBroken(rule, str(refused)) from None
        if asked.parameters.get("everybody") is True and len(
            {officer.name for officer in officers}
        ) < len(quorum.officers):
            raise RuleBroken(rule, "each officer has to approve it, and not all have")


_TAKES = {
    Event.OPENED: _Reading.opened,
    Event.RESUMED: _Reading.passes,
    Event.QUORUM: _Reading.quorum_told,
    Event.PROPOSED: _Reading.quorum_proposed,
    Event.OFFICER: _Reading.officer,
    Event.ASKED: _Reading.asked_for,
    Event.APPROVED: _Reading.approved,
    Event.BEGUN: _Reading.begins,
    Event.SHOWN: _Reading.passes,
    Event.FAILED: _Reading.fails,
    Event.DONE: _Reading.is_done,
    Event.CLOSED: _Reading.closes,
    Event.ATTESTED: _Reading.attests,
    Event.SIGNED: _Reading.signs,
}
