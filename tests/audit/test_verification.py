"""Verification: every alteration is named by its line; the one it cannot see is documented."""

import os
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.audit.samples import START, chain, decision, lines, verified
from tmsd.audit.record import MAX_LINE, Record
from tmsd.audit.verification import KEPT_FAULTS, Reason, VerificationReport, verify

RECORDS = chain(8)
LINES = lines(RECORDS)
STREAM = b"".join(LINES)
POSITIONS = st.integers(0, len(LINES) - 1)


def found(report: VerificationReport) -> list[tuple[int, Reason]]:
    return [(fault.line, fault.reason) for fault in report.faults]


def test_an_intact_chain_is_clean_and_its_ends_are_told() -> None:
    report = verified(STREAM)
    assert report.clean
    assert report.records == 8
    assert report.first_time == RECORDS[0].time
    assert report.last == RECORDS[-1]


@given(st.integers(0, len(STREAM) * 8 - 1))
def test_any_flipped_bit_is_reported_at_its_line(bit: int) -> None:
    flipped = bytearray(STREAM)
    flipped[bit // 8] ^= 1 << bit % 8
    line = STREAM[: bit // 8].count(b"\n") + 1
    assert line in {fault.line for fault in verified(bytes(flipped)).faults}


@given(POSITIONS)
def test_a_dropped_record_is_reported_at_the_line_that_took_its_place(position: int) -> None:
    assume(position < len(LINES) - 1)
    report = verified(b"".join(LINES[:position] + LINES[position + 1 :]))
    assert (position + 1, Reason.SEQUENCE_GAP) in found(report)
    assert (position + 1, Reason.PREVIOUS_HASH_MISMATCH) in found(report)


@given(POSITIONS, POSITIONS)
def test_swapped_records_are_reported_at_both_lines(one: int, other: int) -> None:
    assume(one != other)
    swapped = list(LINES)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    places = {fault.line for fault in verified(b"".join(swapped)).faults}
    assert {one + 1, other + 1} <= places


@given(POSITIONS, POSITIONS)
def test_a_duplicated_record_is_reported_wherever_it_is_put(source: int, target: int) -> None:
    duplicated = [*LINES[: target + 1], LINES[source], *LINES[target + 1 :]]
    assert not verified(b"".join(duplicated)).clean


@given(st.integers(0, len(STREAM)), st.integers(1, len(STREAM)))
def test_bytes_taken_out_anywhere_are_reported(start: int, count: int) -> None:
    rest = STREAM[:start] + STREAM[start + count :]
    whole_beginnings = {b"".join(LINES[:number]) for number in range(1, len(LINES) + 1)}
    assume(rest not in whole_beginnings)
    assert not verified(rest).clean


def test_a_tail_cut_at_a_records_end_is_not_seen() -> None:
    # docs/audit.md says so, and the command prints it.
    assert verified(b"".join(LINES[:5])).clean


def test_a_changed_record_whose_hash_was_made_anew_is_seen_by_the_record_after_it() -> None:
    forged = Record.following(RECORDS[2], RECORDS[3].time, decision(99))
    report = verified(b"".join([*LINES[:3], forged.encode(), *LINES[4:]]))
    assert found(report) == [(5, Reason.PREVIOUS_HASH_MISMATCH)]


def test_every_faulty_place_is_reported_and_the_lines_between_are_not() -> None:
    spoiled = list(LINES)
    spoiled[1] = b"not json\n"
    spoiled[3] = LINES[3].replace(b"tps-demo", b"tps-dem0")
    spoiled[5] = b"x" * (3 * MAX_LINE) + b"\n"
    report = verified(b"".join(spoiled) + LINES[0][:50])
    assert found(report) == [
        (2, Reason.NO_RECORD),
        (4, Reason.HASH_MISMATCH),
        (6, Reason.LINE_TOO_LONG),
        (9, Reason.TORN_TAIL),
    ]
    assert report.records == 6


def test_time_running_backwards_is_reported() -> None:
    first = Record.following(None, START, decision(1))
    same_time = Record.following(first, START, decision(2))
    earlier = Record.following(same_time, START - timedelta(microseconds=1), decision(3))
    report = verified(b"".join(lines([first, same_time, earlier])))
    assert found(report) == [(3, Reason.TIME_BACKWARDS)]


def test_an_emptied_file_is_not_clean() -> None:
    assert found(verified(b"")) == [(1, Reason.EMPTY)]


def test_a_huge_faulty_file_is_verified_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    noise = os.urandom(64 * 1024).replace(b"\n", b"")
    with path.open("wb") as file:
        file.writelines(noise for _ in range(200))  # one line of 12 MB
        file.write(b"\n")
        file.writelines(b"x\n" for _ in range(50_000))
    told = 0

    def count(_: object) -> None:
        nonlocal told
        told += 1

    tracemalloc.start()
    try:
        report = verify(path, count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.fault_count == told == 50_001
    assert len(report.faults) == KEPT_FAULTS
    assert peak < 4 * 1024 * 1024


def test_a_missing_file_is_an_error_and_not_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "absent.log")
