"""The minutes: written as it happens, one line for each event, each bound to the one before.

They are a chain of records as the audit log's (docs/audit.md), in a file of their own. An event's
name is the record's operation, the operator is its caller, and the ceremony's id its request id.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tmsd.audit.chain_file import AUDIT_OPENED, LOG_REPAIRED, ChainFile
from tmsd.audit.record import Decision, Outcome, Record, RecordError
from tmsd.ceremony.refusal import Refused


class Event(StrEnum):
    """What happened."""

    OPENED = "ceremony.opened"
    RESUMED = "ceremony.resumed"
    QUORUM = "ceremony.quorum"
    PROPOSED = "ceremony.quorum-proposed"
    OFFICER = "ceremony.officer"
    ASKED = "ceremony.asked"
    APPROVED = "ceremony.approved"
    BEGUN = "ceremony.step-begun"
    SHOWN = "ceremony.secret-shown"
    FAILED = "ceremony.step-failed"
    DONE = "ceremony.step-done"
    CLOSED = "ceremony.closed"
    ATTESTED = "ceremony.attested"
    SIGNED = "ceremony.signed"


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes that are being written.

    Attributes:
        chain: the file.
        ceremony: the ceremony's id, 32 hex digits.
        operator: who types.
    """

    chain: ChainFile
    ceremony: str
    operator: str

    def note(self, event: Event, facts: Mapping[str, str | int | bool]) -> Record:
        """Put an event on the disk before anything else happens.

        Raises:
            AuditFileError, OSError: it cannot be written; the ceremony must not go on.
        """
        decision = Decision(
            operation=event,
            outcome=Outcome.FAILED if event is Event.FAILED else Outcome.ALLOWED,
            request_id=self.ceremony,
            caller=self.operator,
            details=facts,
        )
        return self.chain.append([decision])[0]


def are_unused(path: Path) -> bool:
    """Say whether nothing has happened in minutes but that the file was opened.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return {record.decision.operation for record in _records(path)} <= {
            AUDIT_OPENED,
            LOG_REPAIRED,
        }
    except RecordError:
        return False


def events(path: Path) -> list[Record]:
    """Return the events of minutes, in order; lines of other kinds are passed over.

    So is what comes after the last newline, of a line that was being written.

    Raises:
        Refused: a line is no record.
        OSError: the file cannot be read.
    """
    try:
        records = _records(path)
    except RecordError as error:
        raise Refused(f"{path} has a line that is no record, as verify tells: {error}") from None
    return [record for record in records if record.decision.operation in set(Event)]


def _records(path: Path) -> list[Record]:
    with closing(path.open("rb")) as file:
        return [Record.parse(line) for line in file if line.endswith(b"\n")]
