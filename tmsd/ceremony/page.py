"""Minutes as a page to print: what happened, who approved, every check value, and no secret."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event
from tmsd.ceremony.reviewing import Review

_TITLES: Mapping[str, str] = {
    Event.OPENED: "The ceremony is opened",
    Event.RESUMED: "The ceremony goes on after an interruption",
    Event.QUORUM: "The quorum",
    Event.PROPOSED: "A quorum to come, whose officers show their keys",
    Event.OFFICER: "A security officer",
    Event.ASKED: "The officers are asked",
    Event.APPROVED: "Approved",
    Event.BEGUN: "A step begins",
    Event.SHOWN: "A secret is shown to its custodian",
    Event.FAILED: "A step has failed",
    Event.DONE: "A step is done",
    Event.CLOSED: "The ceremony is closed",
    Event.ATTESTED: "The token's audit key signs the close",
    Event.SIGNED: "The minutes are signed",
}
_NOT_OPENED: dict[str, str | int | bool] = dict.fromkeys(
    ("title", "deployment", "operator", "auditor", "module", "token", "software", "script_sha256"),
    "",
) | {"rehearsal": False}


def rendered(found: Review, source: Path) -> str:
    """Return a page in HTML, whole in itself, that prints well.

    Args:
        found: minutes and what is wrong with them.
        source: their file, to be named.
    """
    environment = Environment(
        loader=PackageLoader("tmsd.ceremony", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    events = [record for record in found.records if record.decision.operation in _TITLES]
    opening = next((each for each in events if each.decision.operation == Event.OPENED), None)
    template = environment.get_template("page.html.jinja")
    return template.render(
        opening=_NOT_OPENED | dict(opening.decision.details if opening else {}),
        ceremony=opening.decision.request_id if opening else "",
        review=found,
        source=source.name,
        events=[_shown(record) for record in events],
        last=found.records[-1].hash if found.records else "",
    )


def _shown(record: Record) -> Mapping[str, object]:
    facts = {name.replace("_", " "): value for name, value in record.decision.details.items()}
    return {
        "number": record.sequence,
        "time": _time(record.time),
        "title": _TITLES[record.decision.operation],
        "facts": facts,
        "hash": record.hash,
        "failed": record.decision.operation == Event.FAILED,
    }


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
