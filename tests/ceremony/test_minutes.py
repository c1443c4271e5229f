"""Minutes that an interruption has left at any byte are read, and known for what they are."""

from pathlib import Path

import pytest

from tmsd.audit.chain_file import ChainFile
from tmsd.audit.record import Decision, Outcome
from tmsd.ceremony.minutes import Event, Minutes, are_unused, events
from tmsd.ceremony.progress import progress
from tmsd.ceremony.refusal import Refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Minutes that were opened, and nothing more."""
    made = tmp_path / "minutes.jsonl"
    ChainFile.open(made).close()
    return made


def test_a_ceremony_can_begin_in_minutes_that_it_was_to_be_opened_in(file: Path) -> None:
    assert are_unused(file)
    with pytest.raises(Refused, match="no ceremony was opened in the minutes: tmsctl ceremony run"):
        progress(events(file))


def test_no_ceremony_begins_in_those_of_another_or_in_another_file(file: Path) -> None:
    with ChainFile.open(file) as chain:
        Minutes(chain, "0" * 32, "olaf").note(Event.OPENED, {"title": "A ceremony"})
    assert not are_unused(file)

    log = file.with_name("audit.jsonl")
    with ChainFile.open(log) as chain:
        chain.append([Decision(operation="session-opened", outcome=Outcome.ALLOWED)])
    assert not are_unused(log)
    file.write_text("precious\n")
    assert not are_unused(file)


def test_a_line_that_was_being_written_is_passed_over(file: Path) -> None:
    with ChainFile.open(file) as chain:
        minutes = Minutes(chain, "0" * 32, "olaf")
        minutes.note(Event.OPENED, {"title": "A ceremony", "script_sha256": "ab" * 32})
        minutes.note(Event.BEGUN, {"step": 1, "do": "generate-key"})
    file.write_bytes(file.read_bytes()[:-9])

    assert [event.decision.operation for event in events(file)] == [Event.OPENED]
    assert not progress(events(file)).begun
