"""Decisions, chains and strategies that the audit tests share."""

import string
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from tmsd.audit.receipt import Receipt
from tmsd.audit.record import Decision, Outcome, Record
from tmsd.audit.verification import VerificationReport, verify
from tmsd.errors import Code

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def decision(number: int = 1) -> Decision:
    """Return a decision such as the front makes, told apart by `number`."""
    return Decision(
        request_id=f"request-{number}",
        caller="tps-demo",
        operation="tks.sessions.open",
        outcome=Outcome.ALLOWED,
        key_set="pilot",
        key_version=2,
        diversification_data="00010203040506070809",
        request_digest=f"{number:064x}",
        answer_digest="ab" * 32,
        details={"protocol": "03", "security_level": 3, "cached": number % 2 == 0},
    )


def receipt(sequence: int, worker: str = "00" * 8) -> Receipt:
    """Return the receipt of one answer of a worker."""
    return Receipt(worker, 1, sequence, "make-random", "ab" * 32, 1, "cd" * 16)


def with_receipts(receipts: Iterable[Receipt]) -> Decision:
    """Return a decision that workers were asked for."""
    return replace(decision(), receipts=tuple(receipts))


def chain(count: int) -> list[Record]:
    """Return an intact chain of `count` records, a second apart."""
    records: list[Record] = []
    for number in range(1, count + 1):
        previous = records[-1] if records else None
        time = START + timedelta(seconds=number)
        records.append(Record.following(previous, time, decision(number)))
    return records


def lines(records: Iterable[Record]) -> list[bytes]:
    """Return the records as they stand in a file."""
    return [record.encode() for record in records]


def verified(data: bytes) -> VerificationReport:
    """Return what verification says of a file that holds `data`."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return verify(Path(file.name))


def records_in(path: Path) -> list[Record]:
    """Return the records of a file whose every line is one."""
    return [Record.parse(line) for line in path.read_bytes().splitlines(keepends=True)]


def _text(limit: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=limit)


def _hex(fewest: int, most: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=fewest, max_size=most).map(bytes.hex)


decisions = st.builds(
    Decision,
    operation=st.from_regex(r"[a-z][a-z0-9._/-]{0,63}", fullmatch=True),
    outcome=st.sampled_from(Outcome),
    request_id=st.none() | _text(128),
    caller=st.none() | _text(256),
    code=st.none() | st.sampled_from(Code),
    key_set=st.none() | _text(64),
    key_version=st.none() | st.integers(0, 255),
    diversification_data=st.none() | _hex(1, 64),
    request_digest=st.none() | _hex(32, 32),
    answer_digest=st.none() | _hex(32, 32),
    receipts=st.lists(
        st.builds(
            Receipt,
            worker=_hex(8, 8),
            generation=st.integers(1, 2**50),
            sequence=st.integers(1, 2**50),
            operation=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True),
            digest=_hex(32, 32),
            key_version=st.integers(0, 255),
            mac=_hex(16, 16),
        ),
        max_size=3,
    ).map(tuple),
    details=st.dictionaries(
        st.text(string.ascii_lowercase, min_size=1, max_size=64),
        _text(60) | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans(),
        max_size=8,
    ),
)
"""Any decision that fits its limits."""

times = st.datetimes(timezones=st.just(UTC))
