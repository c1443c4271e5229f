"""How far a ceremony has come, by its minutes: what an interrupted one goes on from."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event
from tmsd.ceremony.refusal import Refused


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the minutes end.

    Attributes:
        ceremony: the ceremony's id.
        script_sha256: of the script that it follows.
        done: how many steps are done.
        begun: whether the next one has begun: it may be done or not.
        closed: the hash of the record by which the ceremony was closed; None before.
        signed: whether as many officers signed that as it takes.
    """

    ceremony: str
    script_sha256: str
    done: int = 0
    begun: bool = False
    closed: str | None = None
    signed: bool = False


def progress(records: Sequence[Record]) -> Progress:
    """Return how far a ceremony has come.

    Raises:
        Refused: these are not the minutes of one ceremony.
    """
    if not records or records[0].decision.operation != Event.OPENED:
        raise Refused("the minutes do not begin with the opening of a ceremony")
    opening = records[0].decision
    ceremony, script = opening.request_id, opening.details.get("script_sha256")
    if ceremony is None or not isinstance(script, str):
        raise Refused("the opening does not say which ceremony it is, and by which script")
    done, begun, closed = 0, False, None
    signed = False
    for record in records[1:]:
        match record.decision.operation:
            case Event.OPENED:
                raise Refused("the minutes are of two ceremonies")
            case Event.BEGUN:
                begun = True
            case Event.FAILED:
                begun = False
            case Event.DONE:
                done, begun = done + 1, False
            case Event.CLOSED:
                closed = record.hash
            case Event.SIGNED:
                signed = True
    return Progress(ceremony, script, done, begun, closed, signed)
