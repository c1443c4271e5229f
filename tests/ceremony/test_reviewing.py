"""Minutes can be checked by anybody, and whatever is changed in them shows."""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, GENERATE, Present, room, script
from tests.quorum.officers import officer
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Outcome, Record
from tmsd.ceremony.minutes import Event
from tmsd.ceremony.minutes_rule import Rule
from tmsd.ceremony.people import Ended
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.script import load_script
from tmsd.quorum.quorum import Quorum

OFFICERS = tuple(officer(name) for name in ("anna", "berta", "carl"))
PINNED = Quorum(deployment="pilot", number=1, approvals=2, officers=OFFICERS)


@pytest.fixture(scope="module")
def lines(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The minutes of a ceremony that was interrupted once and went on to its end."""
    folder = tmp_path_factory.mktemp("ceremony")
    planned = load_script(script(folder, ENROL, GENERATE.format(label="one")))
    people = Present(leave_after=1)
    where = room(folder, softhsm.make_token(), people)
    with pytest.raises(Ended):
        begin(planned, where)
    people.leave_after, people.officers = 1000, ("anna", "carl")
    resume(planned, where)
    return minutes_of(where).read_bytes().splitlines(keepends=True)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[list[bytes]], Path]:
    """Write minutes."""

    def written(lines: list[bytes]) -> Path:
        file = tmp_path / "altered.jsonl"
        file.write_bytes(b"".join(lines))
        return file

    return written


Written = Callable[[list[bytes]], Path]


def chained_anew(lines: list[bytes], change: Callable[[Record], Iterator[Record]]) -> list[bytes]:
    """Change records, and bind them together again, as one who can write the file could."""
    chained: list[bytes] = []
    last: Record | None = None
    for line in lines:
        before = Record.parse(line)
        for record in change(before):
            last = Record.following(last, record.time, record.decision)
            chained.append(last.encode())
    return chained


def rules(path: Path, pinned: Quorum | None = None) -> list[str]:
    """Return the rules that minutes break."""
    return [fault.rule for fault in review(path, pinned).faults]


def test_what_happened_is_whole_and_signed(lines: list[bytes], written: Written) -> None:
    found = review(written(lines), PINNED)

    assert found.faults == ()
    assert found.steps == 2
    assert found.signed_by == ("anna", "carl")


def test_minutes_of_other_officers_are_not_those_of_the_pinned(
    lines: list[bytes], written: Written
) -> None:
    others = replace_officer(PINNED)

    assert Rule.QUORUM_NOT_THE_PINNED in rules(written(lines), others)


def replace_officer(quorum: Quorum) -> Quorum:
    """Return a quorum with dora in the place of carl."""
    return Quorum(
        deployment=quorum.deployment,
        number=1,
        approvals=2,
        officers=(*quorum.officers[:2], officer("dora")),
    )


def test_a_fact_that_was_changed_shows_though_the_chain_is_whole(
    lines: list[bytes], written: Written
) -> None:
    def other_key(record: Record) -> Iterator[Record]:
        if record.decision.operation == Event.DONE and "kcv" in record.decision.details:
            details = {**record.decision.details, "kcv": "000000"}
            record = replace(record, decision=replace(record.decision, details=details))
        yield record

    assert rules(written(chained_anew(lines, other_key))) == [Rule.NOT_SIGNED, Rule.NOT_SIGNED]


def test_a_step_without_its_approvals_shows_though_the_chain_is_whole(
    lines: list[bytes], written: Written
) -> None:
    def without_carl(record: Record) -> Iterator[Record]:
        is_his = record.decision.details.get("officer") == "carl"
        if not (record.decision.operation == Event.APPROVED and is_his):
            yield record

    assert Rule.STEP_NOT_APPROVED in rules(written(chained_anew(lines, without_carl)))


def test_a_step_that_was_left_out_shows_though_the_chain_is_whole(
    lines: list[bytes], written: Written
) -> None:
    def without_second(record: Record) -> Iterator[Record]:
        if record.decision.details.get("step") != 2:
            yield record

    assert Rule.CLOSED_EARLY in rules(written(chained_anew(lines, without_second)))


@pytest.mark.parametrize("fact", [{"script_sha256": "ab" * 32}, {"steps": 3}])
def test_steps_of_another_script_show_though_the_chain_is_whole(
    lines: list[bytes], written: Written, fact: dict[str, str | int]
) -> None:
    def of_another(record: Record) -> Iterator[Record]:
        if record.decision.operation == Event.OPENED:
            details = {**record.decision.details, **fact}
            record = replace(record, decision=replace(record.decision, details=details))
        yield record

    assert rules(written(chained_anew(lines, of_another)))[0] == Rule.STEP_NOT_APPROVED


def test_an_approval_is_good_for_one_beginning(lines: list[bytes], written: Written) -> None:
    def twice(record: Record) -> Iterator[Record]:
        yield record
        if record.decision.operation == Event.BEGUN:
            failed = replace(record.decision, operation=Event.FAILED, outcome=Outcome.FAILED)
            yield replace(record, decision=failed)
            yield record

    assert rules(written(chained_anew(lines, twice)))[0] == Rule.STEP_NOT_APPROVED


def test_a_line_without_an_end_takes_no_memory(lines: list[bytes], written: Written) -> None:
    endless = written([*lines[:3], b"x" * 32_000_000, b"\n", *lines[3:]])
    tracemalloc.start()

    faults = review(endless).faults

    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    assert (faults[0].line, faults[0].rule) == (4, Rule.CHAIN_BROKEN)


def test_nothing_comes_after_the_signatures(lines: list[bytes], written: Written) -> None:
    def approved_by_nobody(record: Record) -> Iterator[Record]:
        yield record
        if record.decision.operation == Event.SIGNED:
            details = {"officer": "berta", "signature": "AAAA", **record.decision.details}
            yield replace(
                record,
                decision=replace(record.decision, operation=Event.APPROVED, details=details),
            )

    assert rules(written(chained_anew(lines, approved_by_nobody))) == [Rule.AFTER_THE_CLOSE]


def test_a_step_that_is_said_to_have_failed_out_of_its_turn_shows_though_the_chain_is_whole(
    lines: list[bytes], written: Written
) -> None:
    def undone(record: Record) -> Iterator[Record]:
        yield record
        if record.decision.operation == Event.DONE:
            failed = replace(record.decision, operation=Event.FAILED, outcome=Outcome.FAILED)
            yield replace(record, decision=failed)

    assert Rule.STEP_OUT_OF_ORDER in rules(written(chained_anew(lines, undone)))


def test_an_officer_who_was_exchanged_shows_though_the_chain_is_whole(
    lines: list[bytes], written: Written
) -> None:
    def exchanged(record: Record) -> Iterator[Record]:
        details = dict(record.decision.details)
        if record.decision.operation == Event.OFFICER and details["officer"] == "anna":
            details["public_key"] = officer("dora").public_key_base64
            record = replace(record, decision=replace(record.decision, details=details))
        yield record

    assert rules(written(chained_anew(lines, exchanged)))[0] == Rule.QUORUM_UNSOUND


def test_an_unfinished_ceremony_is_told_as_that(fresh_token: TokenAddress, tmp_path: Path) -> None:
    planned = load_script(script(tmp_path, ENROL, GENERATE.format(label="one")))
    where = room(tmp_path, fresh_token, Present(leave_after=1))
    with pytest.raises(Ended):
        begin(planned, where)

    found = review(minutes_of(where), PINNED)

    assert [fault.rule for fault in found.faults] == [Rule.NOT_CLOSED]
    assert found.steps == 1


def test_two_ceremonies_are_not_one(lines: list[bytes], written: Written) -> None:
    def passed(record: Record) -> Iterator[Record]:
        yield record

    assert Rule.OPENED_TWICE in rules(written(chained_anew(lines * 2, passed))) or (
        Rule.AFTER_THE_CLOSE in rules(written(chained_anew(lines * 2, passed)))
    )
