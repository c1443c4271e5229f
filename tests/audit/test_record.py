"""The record's canonical form: what is written is read back, and nothing else is read."""

import json
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.samples import START, chain, decision, decisions, times
from tmsd.audit.record import MAX_LINE, Decision, Outcome, Record, RecordError


@given(times, decisions)
def test_a_record_reads_back_as_it_was_written(time: datetime, made: Decision) -> None:
    record = Record.following(None, time, made)
    assert Record.parse(record.encode()) == record
    assert len(record.encode()) <= MAX_LINE
    assert record.encode().isascii()


@given(st.binary(max_size=200))
def test_any_other_line_is_refused_by_name_of_the_error(line: bytes) -> None:
    with pytest.raises(RecordError):
        Record.parse(line)


@given(decisions, st.data())
def test_any_changed_byte_is_refused_or_breaks_the_hash(
    made: Decision, data: st.DataObject
) -> None:
    line = bytearray(Record.following(None, START, made).encode())
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = Record.parse(bytes(line))
    except RecordError:
        return
    assert changed.hash != changed.computed_hash()


@given(decisions)
def test_the_hash_can_be_computed_with_nothing_but_sha256_and_sorted_json(made: Decision) -> None:
    record = Record.following(chain(1)[0], START, made)
    content = json.loads(record.encode())
    stated = content.pop("hash")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert stated == sha256(b"tmsd-audit-v2" + canonical).hexdigest()


def test_the_first_record_follows_zeros_and_the_second_follows_the_first() -> None:
    first, second = chain(2)
    assert (first.sequence, first.previous_hash) == (1, "00" * 32)
    assert (second.sequence, second.previous_hash) == (2, first.hash)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(",", ", ", 1),
        lambda text: text.replace('{"answer', '{"hash":"","answer', 1),
        lambda text: text.replace('"sequence":1', '"sequence":1.0'),
        lambda text: text.replace('"sequence":1', '"sequence":true'),
        lambda text: text.replace('"sequence":1', '"sequence":0'),
        lambda text: text.replace('"key_version":2', '"key_version":"2"'),
        lambda text: text.replace('"key_version":2', '"key_version":NaN'),
        lambda text: text.replace('"outcome":"allowed"', '"outcome":"maybe"'),
        lambda text: text.replace('"outcome":"allowed"', '"outcome":[]'),
        lambda text: text.replace("2026-03-01T", "2026-02-30T"),
        lambda text: text.replace(".123456Z", ".123456+00:00"),
        lambda text: text.replace("request-1", "request\\u002d1"),
        lambda text: text.replace("request-1", "request\\ud8001"),
        lambda text: text.replace('"caller":"tps-demo",', ""),
        lambda text: text.replace('"caller"', '"callers":1,"caller"'),
        lambda text: text.replace('"caller":"tps-demo"', '"caller":' + "[" * 5000 + "]" * 5000),
        lambda text: text.replace('"sequence":1', '"sequence":' + "1" * 5000),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", ""),
        lambda text: "[" + text.strip() + "]\n",
    ],
)
def test_a_line_with_the_same_meaning_in_another_form_is_refused(
    spoil: Callable[[str], str],
) -> None:
    text = Record.following(None, START, decision()).encode().decode()
    spoiled = spoil(text)
    assert spoiled != text
    with pytest.raises(RecordError):
        Record.parse(spoiled.encode())


def test_a_line_longer_than_16_kib_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(RecordError, match="longer than 16384 bytes"):
        Record.parse(b"[" * (MAX_LINE + 1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operation", "Open Session"),
        ("operation", ""),
        ("outcome", "allowed"),
        ("code", "Not A Code"),
        ("request_id", "x" * 129),
        ("caller", "tps\ndemo"),
        ("caller", "tps\ud800"),
        ("key_set", 7),
        ("key_version", 256),
        ("key_version", True),
        ("diversification_data", "0A"),
        ("diversification_data", "000"),
        ("request_digest", "ab" * 31),
        ("answer_digest", b"ab" * 32),
        ("details", {"Name": 1}),
        ("details", {"share": 0.5}),
        ("details", {"count": 2**53}),
        ("details", {"text": "x" * 1025}),
        ("details", {"text": None}),
        ("details", {f"n{number}": 1 for number in range(33)}),
        ("details", ["a"]),
    ],
)
def test_a_decision_beyond_its_limits_is_refused_and_the_field_is_named(
    field: str, value: object
) -> None:
    fields: dict[str, Any] = {"operation": "tks.random", "outcome": Outcome.ALLOWED}
    with pytest.raises(RecordError, match=field):
        Decision(**fields | {field: value})


def test_a_decision_that_would_not_fit_its_line_cannot_be_made() -> None:
    details = {f"n{number}": "\U0001f511" * 512 for number in range(3)}
    with pytest.raises(RecordError, match="details"):
        Decision(operation="tks.random", outcome=Outcome.ALLOWED, details=details)


def test_the_largest_decision_that_can_be_made_fits_its_line() -> None:
    lengths = []
    for filling in range(512):
        details = {"a": "\U0001f511" * 512, "b": "\U0001f511" * 512, "c": "\u00e9" * filling}
        try:
            made = Decision(operation="o" * 64, outcome=Outcome.REFUSED, details=details)
        except RecordError:
            break
        last = Record(2**53 - 1, START, "ab" * 32, made, "cd" * 32)
        lengths.append(len(last.encode()))
    assert MAX_LINE - 1024 < lengths[-1] <= MAX_LINE
    assert len(lengths) < 512


def test_changing_the_callers_mapping_later_does_not_change_the_decision() -> None:
    details: dict[str, str | int | bool] = {"count": 1}
    made = Decision(operation="tks.random", outcome=Outcome.ALLOWED, details=details)
    details["count"] = 2
    assert made.details == {"count": 1}
