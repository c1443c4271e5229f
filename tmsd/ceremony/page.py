"""Minutes as a page to print: what happened, who approved, every check value, and no secret."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event
from tmsd.ceremony.reviewing import Review
from tmsd.quorum.words import words

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
    Event.FAILED: "A step is refused, or has failed",
    Event.DONE: "A step is done",
    Event.CLOSED: "The ceremony is closed",
    Event.ATTESTED: "The token's audit key signs the close",
    Event.SIGNED: "The minutes are signed",
}
_NOT_OPENED: dict[str, str | int | bool] = dict.fromkeys(
    ("title", "deployment", "operator", "auditor", "module", "token", "software", "script_sha256"),
    "",
) | {"rehearsal": False}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXACT = re.compile(r"[0-9A-Za-z+/=]{24,}")
_CHECKS = re.compile(r"kcv|check_value|\w*sha256|serial|keys|restored")
_READ_ALOUD_BYTES = 8
_END_OF_SENTENCE = ". "
_FAR_AWAY = 2**37  # seconds: the year 6325, before the last that a datetime has


@dataclass(frozen=True, slots=True)
class Fact:
    """A value of the minutes.

    Attributes:
        text: it.
        exact: whether each of its characters counts.
        words: of a hash, its first eight bytes as words to be read aloud.
    """

    text: str
    exact: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step that was done.

    Attributes:
        number: of the step.
        what: it did, in a sentence.
        checks: facts by which it is known again.
        approved_by: the officers.
        time: of day.
    """

    number: str
    what: str
    checks: Mapping[str, Fact]
    approved_by: str
    time: str


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
    told = _NOT_OPENED | dict(opening.decision.details if opening else {})
    template = environment.get_template("page.html.jinja")
    return template.render(
        opening=told,
        script=_fact(told["script_sha256"]),
        ceremony=opening.decision.request_id if opening else "",
        review=found,
        source=source.name,
        steps=list(_steps(events)),
        events=[_shown(record) for record in events],
        last=found.records[-1].hash if found.records else "",
        signatures=list(_signatures(told, events)),
    )


def _steps(events: Sequence[Record]) -> Iterator[StepDone]:
    """Yield the steps that were done; whether they were done rightly, the review says."""
    asked: dict[object, str] = {}
    approved: dict[object, list[str]] = {}
    begun: object = None
    for event in events:
        details = event.decision.details
        match event.decision.operation:
            case Event.ASKED:
                asked[details.get("request")] = str(details.get("does", ""))
            case Event.APPROVED:
                approved.setdefault(details.get("request"), []).append(str(details.get("officer")))
            case Event.BEGUN:
                begun = details.get("request")
            case Event.DONE:
                yield StepDone(
                    number=str(details.get("step", "")),
                    what=asked.get(begun, "").partition(_END_OF_SENTENCE)[0].removesuffix("."),
                    checks={
                        _in_words(name): _fact(value)
                        for name, value in details.items()
                        if _CHECKS.fullmatch(name)
                    },
                    approved_by=", ".join(approved.get(begun, [])),
                    time=f"{event.time:%H:%M:%S}",
                )


def _signatures(opening: Mapping[str, object], events: Sequence[Record]) -> Iterator[str]:
    """Yield who signs the page by hand: everybody whom the minutes name."""
    yield f"{opening['operator']}, operator"
    if opening["auditor"]:
        yield f"{opening['auditor']}, auditor"
    officers: dict[object, object] = {}
    custodians: dict[str, None] = {}
    for event in events:
        details = event.decision.details
        if event.decision.operation == Event.OFFICER:
            officers[details.get("officer")] = details.get("person")
        if event.decision.operation == Event.DONE:
            named = str(details.get("custodians", ""))
            custodians.update(dict.fromkeys(filter(None, named.split(", "))))
    yield from (f"{person} ({name}), security officer" for name, person in officers.items())
    yield from (f"{name}, custodian" for name in custodians)


def _shown(record: Record) -> Mapping[str, object]:
    return {
        "number": record.sequence,
        "time": _time(record.time),
        "title": _TITLES[record.decision.operation],
        "facts": {
            _in_words(name): _moment(value) if name == "expires" else _fact(value)
            for name, value in record.decision.details.items()
        },
        "hash": record.hash,
        "failed": record.decision.operation == Event.FAILED,
    }


def _fact(value: object) -> Fact:
    if isinstance(value, bool):
        return Fact("yes" if value else "no")
    text = str(value)
    if _SHA256.fullmatch(text):
        return Fact(text, exact=True, words=words(bytes.fromhex(text)[:_READ_ALOUD_BYTES]))
    return Fact(text, exact=_EXACT.fullmatch(text) is not None)


def _moment(value: object) -> Fact:
    """Return seconds of Unix time, where they are some, in words as well."""
    if isinstance(value, int) and 0 <= value < _FAR_AWAY:
        return Fact(f"{value}, {_time(datetime.fromtimestamp(value, UTC))}")
    return _fact(value)


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
