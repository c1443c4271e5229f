"""Counting workers' receipts: what a worker did and no record tells of leaves a gap.

A worker numbers its answers from 1. Records of requests that are served at one moment may
stand in another order than their receipts, so a number that is passed over is missing only
when the file has ended without it.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from operator import attrgetter

from tmsd.audit.receipt import Receipt

# A file that has more open gaps than this has been tampered with in any case.
MAX_OPEN = 100_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a worker's answers that no record has.

    Attributes:
        worker: whose answers are missing.
        first: the first number that is missing.
        last: the last one.
        after: the generation in which the answer before them was given.
        before: the generation of the answer after them.
        line: where that answer stands, which passes them over.
    """

    worker: str
    first: int
    last: int
    after: int
    before: int
    line: int

    def __str__(self) -> str:
        """Say what is missing."""
        through = f" to {self.before}" if self.before != self.after else ""
        return (
            f"answers {self.first} to {self.last} of worker {self.worker} "
            f"in generation {self.after}{through} are not on record"
        )


@dataclass(slots=True)
class _Worker:
    """What was seen of one worker: the highest number, and the gaps below it in their order."""

    highest: int = 0
    generation: int = 1
    gaps: list[Gap] = field(default_factory=list)


class ReceiptLedger:
    """The receipts of a file, taken in line by line."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}

    def take(self, receipt: Receipt, line: int) -> bool:
        """Take a receipt in; say whether its number is there for the first time."""
        known = self._workers.setdefault(receipt.worker, _Worker())
        number, generation = receipt.sequence, receipt.generation
        if number <= known.highest:
            return self._fill(known, number, generation)
        if number > known.highest + 1 and len(known.gaps) < MAX_OPEN:
            known.gaps.append(
                Gap(
                    receipt.worker,
                    known.highest + 1,
                    number - 1,
                    known.generation,
                    generation,
                    line,
                )
            )
        known.highest, known.generation = number, generation
        return True

    def gaps(self) -> list[Gap]:
        """Return what is missing between the receipts of each worker, by line."""
        open_gaps = [gap for known in self._workers.values() for gap in known.gaps]
        return sorted(open_gaps, key=lambda gap: gap.line)

    def _fill(self, known: _Worker, number: int, generation: int) -> bool:
        at = bisect_left(known.gaps, number, key=attrgetter("last"))
        if at == len(known.gaps) or number < known.gaps[at].first:
            return False
        lower = replace(known.gaps[at], last=number - 1, before=generation)
        upper = replace(known.gaps[at], first=number + 1, after=generation)
        known.gaps[at : at + 1] = [left for left in (lower, upper) if left.first <= left.last]
        return True
