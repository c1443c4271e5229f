"""Counting workers' receipts: what a worker did and no record tells of leaves a gap.

A worker numbers its answers from 1. Records of requests that are served at one moment may
stand in another order than their receipts, so a number that is passed over is missing only
when the file has ended without it.
"""

from dataclasses import dataclass

from tmsd.audit.receipt import Receipt

# A file that has more open gaps than this has been tampered with in any case.
MAX_OPEN = 100_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a worker's answers that no record has, and the line after which they are due."""

    worker: str
    first: int
    last: int
    line: int

    @property
    def count(self) -> int:
        """How many answers are missing."""
        return self.last - self.first + 1


@dataclass(slots=True)
class _Worker:
    """What was seen of one worker: the highest number, and the gaps below it by their end."""

    highest: int
    gaps: dict[int, Gap]


class ReceiptLedger:
    """The receipts of a file, taken in line by line."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}

    def take(self, receipt: Receipt, line: int) -> bool:
        """Take a receipt in; say whether its number is there for the first time."""
        known = self._workers.get(receipt.worker)
        number = receipt.sequence
        if known is None:
            known = self._workers[receipt.worker] = _Worker(0, {})
        if number > known.highest:
            if number > known.highest + 1 and len(known.gaps) < MAX_OPEN:
                gap = Gap(receipt.worker, known.highest + 1, number - 1, line)
                known.gaps[gap.last] = gap
            known.highest = number
            return True
        return self._fill(known, number)

    def gaps(self) -> list[Gap]:
        """Return what is missing between the receipts of each worker, by line."""
        open_gaps = [gap for known in self._workers.values() for gap in known.gaps.values()]
        return sorted(open_gaps, key=lambda gap: gap.line)

    def _fill(self, known: _Worker, number: int) -> bool:
        gap = next((g for g in known.gaps.values() if g.first <= number <= g.last), None)
        if gap is None:
            return False
        del known.gaps[gap.last]
        for first, last in ((gap.first, number - 1), (number + 1, gap.last)):
            if first <= last:
                known.gaps[last] = Gap(gap.worker, first, last, gap.line)
        return True
