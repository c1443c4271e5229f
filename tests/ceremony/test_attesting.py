"""The token's audit key signs the close of minutes, and anybody can check that."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, Present, room, script
from tests.ceremony.test_reviewing import chained_anew
from tests.quorum.officers import officer
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event, Minutes, events
from tmsd.ceremony.minutes_rule import Rule
from tmsd.ceremony.page import rendered
from tmsd.ceremony.people import Ended
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.script import load_script

AUDIT_KEY = """
[[steps]]
do = "generate-audit-key"
"""


@pytest.fixture(scope="module")
def lines(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The minutes of a ceremony that made the audit key, whose officers left and came back."""
    folder = tmp_path_factory.mktemp("attested")
    people = Present(leave_after=2)
    where = room(folder, softhsm.make_token(), people)
    planned = load_script(script(folder, ENROL, AUDIT_KEY))
    with pytest.raises(Ended):
        begin(planned, where)
    people.leave_after = 1000
    resume(planned, where)
    return minutes_of(where).read_bytes().splitlines(keepends=True)


def rules(path: Path, lines: list[bytes]) -> list[str]:
    """Return the rules that minutes break."""
    path.write_bytes(b"".join(lines))
    return [fault.rule for fault in review(path).faults]


def test_the_key_that_a_step_made_signs_the_close_once(lines: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "minutes.jsonl"
    file.write_bytes(b"".join(lines))

    found = review(file)

    assert found.faults == ()
    made = [
        record.decision.details["public_key_sha256"]
        for record in events(file)
        if record.decision.details.get("do") == "generate-audit-key"
        and record.decision.operation == Event.DONE
    ]
    assert [found.attested_by] == made
    operations = [record.decision.operation for record in events(file)]
    assert operations.count(Event.ATTESTED) == 1
    assert found.attested_by in rendered(found, file)


def test_a_close_that_was_cut_off_before_the_token_signed_it_is_signed_when_it_goes_on(
    fresh_token: TokenAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = room(tmp_path, fresh_token, Present())
    planned = load_script(script(tmp_path, ENROL, AUDIT_KEY))
    note = Minutes.note

    def cut_off(self: Minutes, event: Event, facts: dict[str, str | int | bool]) -> Record:
        if event is Event.ATTESTED:
            raise OSError("the power fails")
        return note(self, event, facts)

    with monkeypatch.context() as patch:
        patch.setattr(Minutes, "note", cut_off)
        with pytest.raises(OSError, match="power"):
            begin(planned, where)
    assert Rule.NOT_ATTESTED in [fault.rule for fault in review(minutes_of(where)).faults]

    resume(planned, where)

    assert review(minutes_of(where)).faults == ()


def test_the_key_of_an_earlier_ceremony_signs_the_next(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())
    begin(load_script(script(tmp_path, ENROL, AUDIT_KEY)), where)
    first = review(minutes_of(where)).attested_by
    minutes_of(where).unlink()

    begin(load_script(script(tmp_path, AUDIT_KEY + "version = 2\n")), where)

    second = review(minutes_of(where))
    assert second.faults == ()
    assert second.attested_by not in ("", first)  # the highest version signs


Change = Callable[[Record], Iterator[Record]]


def test_a_signature_that_is_missing_or_of_another_key_shows(
    lines: list[bytes], tmp_path: Path
) -> None:
    def missing(record: Record) -> Iterator[Record]:
        if record.decision.operation != Event.ATTESTED:
            yield record

    def with_facts(**facts: str) -> Change:
        def changed(record: Record) -> Iterator[Record]:
            if record.decision.operation == Event.ATTESTED:
                details = {**record.decision.details, **facts}
                record = replace(record, decision=replace(record.decision, details=details))
            yield record

        return changed

    of_stranger = with_facts(public_key=officer("anna").public_key_base64)
    of_nothing = with_facts(signature=b64encode(bytes(70)).decode())
    file = tmp_path / "altered.jsonl"
    for change in (missing, of_stranger, of_nothing):
        assert Rule.NOT_ATTESTED in rules(file, chained_anew(lines, change))
    malformed = chained_anew(lines, with_facts(public_key="AAAA"))
    assert Rule.FACT_MALFORMED in rules(file, malformed)


def test_a_close_that_names_no_audit_key_is_not_what_the_officers_signed(
    lines: list[bytes], tmp_path: Path
) -> None:
    def unnamed(record: Record) -> Iterator[Record]:
        if record.decision.operation == Event.CLOSED:
            record = replace(record, decision=replace(record.decision, details={"steps": 2}))
        if record.decision.operation != Event.ATTESTED:
            yield record

    assert Rule.NOT_SIGNED in rules(tmp_path / "altered.jsonl", chained_anew(lines, unnamed))
