"""Verifying a chain file from its first line to its last: every faulty place, in bounded memory.

The chain carries no signature. It shows that what is there belongs together; it cannot
show that nothing was cut off its end, nor that nobody wrote the whole of it anew. Workers'
receipts show what a front did and did not record, but for the last of each worker; their MACs
show that workers made them, and take the HSM to check.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from tmsd.audit.receipt import Receipt
from tmsd.audit.receipt_ledger import ReceiptLedger
from tmsd.audit.record import GENESIS, MAX_LINE, RECORDS_DISCARDED, Record, RecordError

KEPT_FAULTS = 1000
"""How many faults a report keeps; all are counted, and all are told to `on_fault`."""

LINES_BETWEEN_PROGRESS = 20_000

Flaw = Callable[[Receipt], str | None]
"""Returns what is wrong with a receipt's MAC, or None."""


class Reason(StrEnum):
    """What is wrong at a line."""

    NO_RECORD = "no record"
    LINE_TOO_LONG = "line too long"
    HASH_MISMATCH = "hash mismatch"
    SEQUENCE_GAP = "sequence gap"
    PREVIOUS_HASH_MISMATCH = "previous hash mismatch"
    TIME_BACKWARDS = "time running backwards"
    TORN_TAIL = "torn tail"
    EMPTY = "empty"
    RECEIPT_DOUBLED = "receipt doubled"
    RECEIPTS_MISSING = "receipts missing"
    RECEIPT_FORGED = "receipt forged"


@dataclass(frozen=True, slots=True)
class Fault:
    """A faulty place: its line, counted from 1, and what is wrong there."""

    line: int
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What a chain file holds and where it is faulty.

    Args:
        records: how many lines are records, whether or not they fit their place.
        first_time: the time of the first record, if any.
        last: the last record, if any: compare its sequence number and hash with a note
            of them that was taken earlier and kept elsewhere.
        fault_count: how many faults there are.
        faults: the first `KEPT_FAULTS` of them, in the order of the file.
        discarded: how many decisions the log says went unrecorded.
        receipts: how many receipts of workers there are.
    """

    records: int
    first_time: datetime | None
    last: Record | None
    fault_count: int
    faults: tuple[Fault, ...]
    discarded: int = 0
    receipts: int = 0

    @property
    def clean(self) -> bool:
        """Whether no fault was found."""
        return self.fault_count == 0


def verify(
    path: Path,
    on_fault: Callable[[Fault], None] | None = None,
    *,
    flaw: Flaw | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> VerificationReport:
    """Walk the chain at `path`; a fault does not end the walk.

    Args:
        path: the file. One that is being written may show a torn tail for a moment.
        on_fault: called with each fault as it is found.
        flaw: checks the MAC of each receipt; without it none is checked.
        on_progress: called now and then with the line, and with how many bytes were read.

    Raises:
        OSError: the file cannot be read.
        Exception: whatever `flaw` raises.
    """
    count = 0
    kept: list[Fault] = []
    chain = _Chain(flaw)
    with path.open("rb") as file:
        for fault in _faults(file, chain, on_progress):
            count += 1
            if len(kept) < KEPT_FAULTS:
                kept.append(fault)
            if on_fault:
                on_fault(fault)
    return VerificationReport(
        chain.records,
        chain.first_time,
        chain.last,
        count,
        tuple(kept),
        chain.discarded,
        chain.receipts,
    )


class _Chain:
    """The chain as walked so far: what the next record must fit."""

    def __init__(self, flaw: Flaw | None) -> None:
        self.records = 0
        self.first_time: datetime | None = None
        self.last: Record | None = None
        self.discarded = 0
        self.receipts = 0
        self._flaw = flaw
        self._sequence = 1
        self._previous_hash: str | None = GENESIS
        self._ledger = ReceiptLedger()

    def skip(self) -> None:
        """Pass over a line that cannot be read: it held one record, of unknown hash."""
        self._sequence += 1
        self._previous_hash = None

    def take(self, record: Record, line: int) -> Iterator[tuple[Reason, str]]:
        """Yield what is wrong with `record` in this place, and go on from it."""
        if record.hash != record.computed_hash():
            yield Reason.HASH_MISMATCH, "the content is not what was hashed"
        if record.sequence != self._sequence:
            yield (
                Reason.SEQUENCE_GAP,
                f"record {record.sequence} stands where {self._sequence} should",
            )
        if self._previous_hash not in (None, record.previous_hash):
            yield Reason.PREVIOUS_HASH_MISMATCH, "it was not written after the record before it"
        if self.last and record.time < self.last.time:
            yield (
                Reason.TIME_BACKWARDS,
                f"{record.time:%Y-%m-%d %H:%M:%S.%f} follows {self.last.time:%Y-%m-%d %H:%M:%S.%f}",
            )
        for number, receipt in enumerate(record.decision.receipts):
            yield from self._take_receipt(receipt, line, f"receipts.{number}")
        if record.decision.operation == RECORDS_DISCARDED:
            self.discarded += int(record.decision.details.get("count", 0))
        self.records += 1
        self.first_time = self.first_time or record.time
        self.last = record
        self._sequence = record.sequence + 1
        self._previous_hash = record.hash

    def _take_receipt(
        self, receipt: Receipt, line: int, field: str
    ) -> Iterator[tuple[Reason, str]]:
        self.receipts += 1
        answer = f"answer {receipt.sequence} of worker {receipt.worker}"
        if self._flaw and (flaw := self._flaw(receipt)):
            yield Reason.RECEIPT_FORGED, f"{field}.mac, of {answer}, {flaw}"
        if not self._ledger.take(receipt, line):
            yield Reason.RECEIPT_DOUBLED, f"{field}: {answer} is on record twice"

    def missing(self) -> Iterator[Fault]:
        """Yield the answers of workers that no record tells of."""
        for gap in self._ledger.gaps():
            yield Fault(gap.line, Reason.RECEIPTS_MISSING, str(gap))


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield each line; of one that is too long, as much as shows that."""
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            _pass_line(file)
        yield line


def _faults(
    file: BinaryIO, chain: _Chain, on_progress: Callable[[int, int], None] | None
) -> Iterator[Fault]:
    number = 0
    for number, line in enumerate(lines_of(file), start=1):
        if on_progress and number % LINES_BETWEEN_PROGRESS == 0:
            on_progress(number, file.tell())
        if line.endswith(b"\n"):
            try:
                record = Record.parse(line)
            except RecordError as error:
                chain.skip()
                yield Fault(number, Reason.NO_RECORD, str(error))
            else:
                for reason, detail in chain.take(record, number):
                    yield Fault(number, reason, detail)
        elif len(line) < MAX_LINE:
            yield Fault(number, Reason.TORN_TAIL, f"{len(line)} bytes without a newline")
        else:
            chain.skip()
            yield Fault(number, Reason.LINE_TOO_LONG, f"no newline within {MAX_LINE} bytes")
    if number == 0:
        yield Fault(1, Reason.EMPTY, "a log begins with a record, and there is none")
    yield from chain.missing()


def _pass_line(file: BinaryIO) -> None:
    while piece := file.readline(MAX_LINE):
        if piece.endswith(b"\n"):
            return
