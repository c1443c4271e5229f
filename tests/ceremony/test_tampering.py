"""Whatever is changed in minutes shows, with the first bad line, whatever event it tells of."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, Present, room, script
from tests.ceremony.test_changing_the_quorum import CHANGE, EVERYBODY
from tests.ceremony.test_key_pair_steps import AUDIT_KEY, PAIR, REQUEST
from tests.ceremony.test_transport_key_in_components import COMPONENTS
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import Fault, review
from tmsd.ceremony.script import load_script


@pytest.fixture(scope="module")
def minutes(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes with each kind of event: a step failed, and was done as it was resumed."""
    folder = tmp_path_factory.mktemp("ceremony")
    issuer = PAIR.format(label="issuer", algorithm="p256")
    steps = (ENROL, AUDIT_KEY, COMPONENTS, issuer, REQUEST.format(label="issuer"), CHANGE)
    planned = load_script(script(folder, *steps))
    where = room(folder, softhsm.make_token(), Present(officers=EVERYBODY))
    in_its_way = folder / "issuer.pem"
    in_its_way.touch()
    with pytest.raises(Refused, match="is there already"):
        begin(planned, where)
    in_its_way.unlink()
    resume(planned, where)
    return minutes_of(where)


@pytest.fixture(scope="module")
def lines(minutes: Path) -> list[bytes]:
    """Their lines."""
    return minutes.read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module")
def one_of_each(lines: list[bytes]) -> list[int]:
    """A line of each kind but the last line, counted from 0."""
    kinds = {Record.parse(line).decision.operation: at for at, line in enumerate(lines[:-1])}
    return list(kinds.values())


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for minutes that were changed."""
    return tmp_path_factory.mktemp("altered") / "minutes.jsonl"


def first(altered: Path, lines: Sequence[bytes]) -> Fault:
    """Return the first fault of minutes that were changed."""
    altered.write_bytes(b"".join(lines))
    return review(altered).faults[0]


def test_these_minutes_tell_every_event_and_are_whole(minutes: Path) -> None:
    assert {event.decision.operation for event in events(minutes)} == set(Event)
    assert review(minutes).faults == ()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_is_told_with_its_line(
    lines: list[bytes], altered: Path, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(lines) - 1))
    line = bytearray(lines[number])
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))

    assert first(altered, [*lines[:number], bytes(line), *lines[number + 1 :]]).line == number + 1


def test_a_dropped_line_is_told(lines: list[bytes], one_of_each: list[int], altered: Path) -> None:
    for at in one_of_each:
        assert first(altered, lines[:at] + lines[at + 1 :]).line == at + 1


def test_swapped_lines_are_told(lines: list[bytes], one_of_each: list[int], altered: Path) -> None:
    for at in one_of_each:
        swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]

        assert first(altered, swapped).line == at + 1


def test_a_doubled_line_is_told(lines: list[bytes], one_of_each: list[int], altered: Path) -> None:
    for at in (*one_of_each, len(lines) - 1):
        assert first(altered, lines[: at + 1] + lines[at:]).line == at + 2


def test_lines_that_are_cut_off_are_told_at_the_last_that_is_left(
    lines: list[bytes], altered: Path
) -> None:
    for left in range(1, len(lines), 3):
        assert first(altered, lines[:left]).line == left


def test_a_line_of_which_the_end_is_cut_off_is_told(
    lines: list[bytes], one_of_each: list[int], altered: Path
) -> None:
    for at in (0, *one_of_each, len(lines) - 1):
        half = lines[at][: len(lines[at]) // 2]

        assert first(altered, [*lines[:at], half]).line == at + 1
