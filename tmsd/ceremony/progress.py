"""How far a ceremony has come, by its minutes: what an interrupted one goes on from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.step import Facts


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the minutes end.

    Attributes:
        ceremony: the ceremony's id.
        script_sha256: of the script that it follows.
        token_serial: the token's serial number; nothing before it is initialised.
        done: how many steps are done.
        begun: whether the next one has begun: it may be done or not.
        asked: what officers were asked last.
        approved: what they were asked before a step began last.
        shown: how many secrets custodians were shown in it.
        closed: the hash of the record by which the ceremony was closed; None before.
        audit_key: the hash of the public key that it names; None where the token has no audit key.
        attested: whether that key has signed it.
        signed: whether as many officers signed that as it takes.
    """

    ceremony: str
    script_sha256: str
    token_serial: str = ""
    done: int = 0
    begun: bool = False
    asked: Facts = field(default_factory=dict)
    approved: Facts = field(default_factory=dict)
    shown: int = 0
    closed: str | None = None
    audit_key: str | None = None
    attested: bool = False
    signed: bool = False


def progress(records: Sequence[Record]) -> Progress:
    """Return how far a ceremony has come.

    Raises:
        Refused: these are not the minutes of one ceremony.
    """
    if not records:
        raise Refused("no ceremony was opened in the minutes: tmsctl ceremony run begins it")
    if records[0].decision.operation != Event.OPENED:
        raise Refused("the minutes do not begin with the opening of a ceremony")
    opening = records[0].decision
    ceremony, script = opening.request_id, opening.details.get("script_sha256")
    if ceremony is None or not isinstance(script, str):
        raise Refused("the opening does not say which ceremony it is, and by which script")
    reached = Progress(ceremony, script, _serial(records[0], ""))
    for record in records[1:]:
        if record.decision.operation == Event.OPENED:
            raise Refused("the minutes are of two ceremonies")
        reached = _after(reached, record)
    return reached


def _after(reached: Progress, record: Record) -> Progress:
    match record.decision.operation:
        case Event.ASKED:
            reached = replace(reached, asked=record.decision.details)
        case Event.BEGUN:
            reached = replace(reached, begun=True, approved=reached.asked)
        case Event.FAILED:
            reached = replace(reached, begun=False)
        case Event.SHOWN:
            reached = replace(reached, shown=reached.shown + 1)
        case Event.DONE:
            serial = _serial(record, reached.token_serial)
            reached = replace(
                reached, token_serial=serial, done=reached.done + 1, begun=False, shown=0
            )
        case Event.CLOSED:
            reached = replace(reached, closed=record.hash, audit_key=_audit_key(record))
        case Event.ATTESTED:
            reached = replace(reached, attested=True)
        case Event.SIGNED:
            reached = replace(reached, signed=True)
    return reached


def _serial(record: Record, before: str) -> str:
    """Return the serial number of the token, where a record names it, or the one from before."""
    named = record.decision.details.get("serial")
    return named if isinstance(named, str) else before


def _audit_key(closing: Record) -> str | None:
    named = closing.decision.details.get("audit_key")
    return named if isinstance(named, str) else None
