"""What a ceremony leaves: in the token, beside the minutes, on record, and in custodians' heads."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.held_keys import held_keys
from tests.ceremony.conducting import minutes_of
from tests.ceremony.every_step import WritingDown
from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.progress import progress
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room

_OF_FILES = (
    *("file_sha256", "backup_sha256", "inventory_sha256"),
    *("certificate_sha256", "request_sha256"),
)
_UNKNOWN_AFTERWARDS = {"restored"}  # how many keys were not there before
_OF_TESTS = (
    "orders",
    "softhsm2.conf",
    "tokens",
    "latch",
    "facts.json",
    "outcome.json",
    "passed.json",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a ceremony leaves that came to its end.

    Attributes:
        keys: every key object of the token, and whether it works.
        objects: how many objects of any kind the tokens hold.
        files: beside the minutes.
        facts: which are on record of each step that was done.
        faults: of the minutes, and of all else that is not as it should be.
    """

    keys: list[list[Any]]
    objects: int
    files: list[str]
    facts: list[list[str]]
    faults: list[str]


def outcome_of(where: Room, before: Sequence[Record], shown: int) -> Outcome:
    """Return what a ceremony has left that is over.

    Args:
        where: it took place.
        before: the events until the interruption; none where there was none.
        shown: how many secrets custodians had been shown until then.
    """
    minutes, folder = minutes_of(where), where.folder
    assert isinstance(where.people, WritingDown)
    faults = [
        *_faults_of_showing(where.people, before, events(minutes), shown),
        *_faults_of_minutes(where),
    ]
    return Outcome(_keys(where), _objects(folder), _files(folder), _facts(minutes), faults)


def differences(found: Outcome, expected: Outcome) -> Iterator[str]:
    """Yield what is otherwise than after a ceremony that nobody interrupted."""
    yield from found.faults
    for name in ("keys", "objects", "files", "facts"):
        one, other = getattr(found, name), getattr(expected, name)
        if one != other:
            yield f"{name}: {one} and not {other}"


def _faults_of_minutes(where: Room) -> Iterator[str]:
    """Yield what is wrong with minutes that should be whole, and with files that they name."""
    found = review(minutes_of(where))
    yield from map(str, found.faults)
    if not found.signed_by:
        yield "the minutes are not signed"
    digests = set(_digests(where.folder))
    for record in found.records:
        for name, value in record.decision.details.items():
            is_of_file = name in _OF_FILES and record.decision.operation == Event.DONE
            if is_of_file and value not in digests:
                yield f"no file has the {name} of step {record.decision.details['step']}"


def _digests(folder: Path) -> Iterator[str]:
    for file in filter(Path.is_file, folder.iterdir()):
        content = file.read_bytes()
        yield sha256(content).hexdigest()
        if content.startswith(b"-----BEGIN CERTIFICATE-----"):
            der = x509.load_pem_x509_certificates(content)[0].public_bytes(Encoding.DER)
            yield sha256(der).hexdigest()
        if content.startswith(b"-----BEGIN CERTIFICATE REQUEST-----"):
            der = x509.load_pem_x509_csr(content).public_bytes(Encoding.DER)
            yield sha256(der).hexdigest()


def _faults_of_showing(
    people: WritingDown, before: Sequence[Record], now: Sequence[Record], shown: int
) -> Iterator[str]:
    """Yield what is wrong with secrets that custodians were shown.

    Args:
        people: who was there since.
        before: the events until the interruption.
        now: all events.
        shown: how many secrets until the interruption.
    """
    all_shown = people.shown()
    if any(times > 1 for times in Counter(secret for _, secret in all_shown).values()):
        yield "one secret was shown twice"
    told = Counter(str(event.decision.details.get("what")) for event in now)
    if any(
        times > told[what]
        for what, times in Counter(what for what, _ in all_shown[people.before :]).items()
    ):
        yield "a secret was shown that is not in the minutes"
    void = progress(before).shown if before else 0
    if void and len(all_shown) > shown and not any("they are void" in line for line in people.told):
        yield "secrets were shown anew, and nobody was told that those of before are void"
    resumed = [e.decision.details["shown"] for e in now if e.decision.operation == Event.RESUMED]
    if before and resumed[-1] != void:
        yield "the minutes do not say how many secrets were shown before the interruption"


def _keys(where: Room) -> list[list[Any]]:
    with where.token() as token:
        return [
            [key.kind, key.label, key.id, key.algorithm, list(key.attributes), bool(key.check)]
            for key in held_keys(token)
        ]


def _objects(folder: Path) -> int:
    return len(list((folder / "tokens").rglob("*.object")))


def _files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name not in _OF_TESTS)


def _facts(minutes: Path) -> list[list[str]]:
    decisions = [event.decision for event in events(minutes)]
    return [
        sorted(each.details.keys() - _UNKNOWN_AFTERWARDS)
        for each in decisions
        if each.operation == Event.DONE
    ]
