"""Who the officers are, as minutes tell it, and by which step others took their place."""

from dataclasses import dataclass, field

import msgspec

from tmsd.audit.record import Record
from tmsd.ceremony.minutes_rule import Rule, RuleBroken, bytes_of, text_of
from tmsd.quorum.quorum import Officer, Quorum, require_sound
from tmsd.quorum.refusal import ApprovalRefused


@dataclass(slots=True)
class ToldQuorum:
    """The quorum as far as minutes were read.

    Attributes:
        pinned: the quorum that is known from elsewhere, until it was compared.
        deployment: as the opening has it.
        rehearsal: the same.
        known: the hash of the quorum that was told last.
        becomes: the hash of the one that the step that began last was approved to change to.
    """

    pinned: Quorum | None
    deployment: str = ""
    rehearsal: bool = False
    known: str | None = None
    becomes: object = None
    _announced: dict[str, str | int | bool] = field(default_factory=dict)
    _officers: list[Officer] = field(default_factory=list)
    _is_to_come: bool = False
    _present: Quorum | None = None
    _to_come: Quorum | None = None

    @property
    def present(self) -> Quorum:
        """The quorum that is asked.

        Raises:
            RuleBroken: `quorum-unsound`.
        """
        if self._present is None:
            raise RuleBroken(Rule.QUORUM_UNSOUND, "it is not told who the officers are")
        return self._present

    @property
    def to_come(self) -> Quorum:
        """The quorum that shall take its place.

        Raises:
            RuleBroken: `quorum-unsound`.
        """
        if self._to_come is None:
            raise RuleBroken(Rule.QUORUM_UNSOUND, "it is not told who the officers to come are")
        return self._to_come

    def announce(self, record: Record) -> None:
        """Take which quorum it is; its officers follow."""
        told = record.decision.details.get("quorum_sha256")
        if self.known is not None and told not in (self.known, self.becomes):
            raise RuleBroken(Rule.QUORUM_UNSOUND, "no step has changed the quorum to this one")
        self._begin(record, to_come=False)
        self._present = None

    def propose(self, record: Record) -> None:
        """Take which quorum shall take its place; its officers follow."""
        self._begin(record, to_come=True)
        self._to_come = None

    def officer(self, record: Record) -> None:
        """Take an officer; the last makes the quorum whole."""
        public_key = bytes_of(record, "public_key").hex()
        self._officers.append(
            Officer(text_of(record, "officer"), text_of(record, "person"), public_key)
        )
        if len(self._officers) != self._announced.get("officers"):
            return
        quorum = self._whole()
        if self._is_to_come:
            self._require_next(quorum)
            self._to_come = quorum
        else:
            self._require_pinned(quorum)
            self._present, self.known = quorum, quorum.digest

    def changed(self, record: Record) -> None:
        """Take what a step that is done has made of the quorum."""
        told = record.decision.details.get("quorum_sha256")
        if told not in (None, self.known, self.becomes):
            words = "the step was not approved to change the quorum to this one"
            raise RuleBroken(Rule.QUORUM_UNSOUND, words)
        if told not in (None, self.known):
            self._present = None  # it is told next

    def _begin(self, record: Record, *, to_come: bool) -> None:
        self._announced, self._officers = dict(record.decision.details), []
        self._is_to_come = to_come

    def _whole(self) -> Quorum:
        fields = {
            "deployment": self.deployment,
            "number": self._announced.get("quorum"),
            "approvals": self._announced.get("approvals"),
            "officers": [msgspec.to_builtins(officer) for officer in self._officers],
            "rehearsal": self.rehearsal,
        }
        try:
            quorum = msgspec.convert(fields, Quorum)
            require_sound(quorum)
        except (msgspec.ValidationError, ApprovalRefused) as error:
            raise RuleBroken(Rule.QUORUM_UNSOUND, str(error)) from None
        if quorum.digest != self._announced.get("quorum_sha256"):
            raise RuleBroken(Rule.QUORUM_UNSOUND, "its hash is not the hash of its officers")
        return quorum

    def _require_next(self, quorum: Quorum) -> None:
        if quorum.number != self.present.number + 1:
            words = f"number {quorum.number} does not follow number {self.present.number}"
            raise RuleBroken(Rule.QUORUM_UNSOUND, words)

    def _require_pinned(self, quorum: Quorum) -> None:
        pinned, self.pinned = self.pinned, None  # what comes after it follows from it
        if pinned is not None and pinned != quorum:
            words = "these are not the officers of the quorum that is known"
            raise RuleBroken(Rule.QUORUM_NOT_THE_PINNED, words)
