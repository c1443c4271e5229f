"""The audit log of a running process: many callers, one writer, one fsync for all who wait.

An answer may leave only after `record` has returned; where it raises, the result is to
be discarded. While one batch is on its way to the disk the next one gathers. A log that cannot
be written lets nothing new begin; what had begun is discarded, and accounted for later.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Self

from tmsd.audit.chain_file import AuditFileError, ChainFile, ClockUnreliable
from tmsd.audit.receipt import Receipt
from tmsd.audit.record import MAX_RECEIPTS, RECORDS_DISCARDED, Decision, Outcome, Record
from tmsd.errors import Code, ServiceError

ANSWER_UNCLAIMED = "worker.answer-unclaimed"
ANSWERS_LOST = "worker.answers-lost"
MAX_KEPT_RECEIPTS = 8192
"""How many receipts are kept of decisions that were discarded; further ones stay missing."""

# Where several came at once, more are on their way: who waits so long for them syncs less often.
_GATHERING_SECONDS = 0.002

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Decisions of one caller, and the records that are to be made of them.

    Without decisions, the caller waits to learn whether the log can be written.
    """

    decisions: tuple[Decision, ...]
    recorded: asyncio.Future[tuple[Record, ...]]

    def refuse(self, cause: BaseException | None) -> None:
        # A cancelled caller no longer waits; an exception can serve one caller only.
        if not self.recorded.done():
            self.recorded.set_exception(_unavailable(cause))


@dataclass(slots=True)
class _Discarded:
    """Decisions that went unrecorded and are not yet accounted for.

    Attributes:
        count: how many, with the requests that were refused before they began.
        receipts: what workers had done for them, as far as it is kept.
        unnamed: how many receipts were not kept.
    """

    count: int = 0
    receipts: list[Receipt] = field(default_factory=list)
    unnamed: int = 0

    def add(self, decisions: Sequence[Decision]) -> None:
        """Discard the decisions of one caller."""
        self.count += 1
        for decision in decisions:
            self._keep(decision.receipts)

    def add_earlier(self, other: Self) -> None:
        """Take in what was discarded before, and could not be accounted for."""
        self.count += other.count
        self.unnamed += other.unnamed
        later, self.receipts = self.receipts, other.receipts
        self._keep(later)

    def _keep(self, receipts: Sequence[Receipt]) -> None:
        room = MAX_KEPT_RECEIPTS - len(self.receipts)
        self.receipts += receipts[:room]
        self.unnamed += len(receipts[room:])

    def account(self) -> list[Decision]:
        """Return what is to be recorded of it: nothing where nothing was discarded.

        The receipts go on record, so that of what was discarded no answer is missing.
        """
        if not self.count:
            return []
        details = {"count": self.count} | ({"unnamed": self.unnamed} if self.unnamed else {})
        first, *further = (
            tuple(self.receipts[start : start + MAX_RECEIPTS])
            for start in range(0, max(len(self.receipts), 1), MAX_RECEIPTS)
        )
        return [
            Decision(
                operation=RECORDS_DISCARDED,
                outcome=Outcome.FAILED,
                code=Code.AUDIT_UNAVAILABLE,
                details=details,
                receipts=first,
            ),
            *(
                Decision(
                    operation=f"{RECORDS_DISCARDED}.receipts",
                    outcome=Outcome.FAILED,
                    receipts=receipts,
                )
                for receipts in further
            ),
        ]


class AuditLog:
    """Records decisions on one chain file; made by `open` only."""

    def __init__(
        self, file: ChainFile, thread: Executor, *, queue_limit: int, retry_seconds: float
    ) -> None:
        self._file = file
        self._thread = thread
        self._queue_limit = queue_limit
        self._retry_seconds = retry_seconds
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._discarded = _Discarded()
        self._fault: str | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, *, queue_limit: int = 4096, retry_seconds: float = 5.0
    ) -> AsyncIterator[Self]:
        """Open the chain at `path` and, on leaving, write what waits and close it.

        Opening itself blocks: it reads the end of the file and writes "audit-opened".

        Args:
            path: the file, created with mode 0600; its directory must exist.
            queue_limit: how many callers may wait before further ones are refused.
            retry_seconds: how often a log that cannot be written is tried while nobody asks.

        Raises:
            AuditFileError: the file cannot be trusted or is in use (see ChainFile.open).
            OSError: the system refused.
        """
        with (
            ChainFile.open(path) as file,
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit") as thread,
        ):
            log = cls(file, thread, queue_limit=queue_limit, retry_seconds=retry_seconds)
            writer = asyncio.create_task(log._write_batches(), name="audit")
            try:
                yield log
            finally:
                log._closed = True
                log._wake.set()
                await writer

    @property
    def fault(self) -> str | None:
        """What keeps the log from being written, for operators; None while it works.

        A file that is gone and a clock that was set back are seen before anybody asks.
        """
        return self._fault if self._closed else self._fault or self._file.obstacle()

    async def require_writable(self) -> None:
        """Refuse what could not be recorded, before it begins.

        Costs nothing while the log works; where it does not, it is tried once.

        Raises:
            ServiceError: as of `record`.
        """
        if self.fault is not None:
            await self._written(())

    async def record(self, decision: Decision) -> Record:
        """Return the record of `decision` once it is on the disk.

        A caller that is cancelled leaves its decision to be recorded all the same: the
        operation did take place.

        Raises:
            ServiceError: AUDIT_UNAVAILABLE, or CLOCK_UNRELIABLE while the clock is behind the
                last record; the decision is not recorded.
        """
        (record,) = await self._written((decision,))
        return record

    async def record_together(self, decisions: Iterable[Decision]) -> tuple[Record, ...]:
        """Return the records of decisions that one request led to, side by side; all or none.

        Raises:
            ServiceError: as of `record`.
        """
        return await self._written(tuple(decisions))

    def note(self, receipt: Receipt) -> None:
        """Record an operation whose asker had given up: the worker has done it all the same."""
        unclaimed = Decision(
            operation=ANSWER_UNCLAIMED, outcome=Outcome.FAILED, receipts=(receipt,)
        )
        self._written((unclaimed,)).add_done_callback(lambda done: done.exception())

    def note_lost_answers(self, worker: str, operations: Sequence[str]) -> None:
        """Record what a worker was asked when it ended: nobody knows what it has done of that.

        Args:
            worker: its id, in hex.
            operations: the operations, at most 7 names of messages.
        """
        lost = Decision(
            operation=ANSWERS_LOST,
            outcome=Outcome.FAILED,
            details={"worker": worker, "operations": ", ".join(operations)},
        )
        self._written((lost,)).add_done_callback(lambda done: done.exception())

    def _written(self, decisions: tuple[Decision, ...]) -> asyncio.Future[tuple[Record, ...]]:
        """Return what will hold the records of decisions, or the refusal to make any."""
        waiting = _Waiting(decisions, asyncio.get_running_loop().create_future())
        if self._closed or len(self._waiting) >= self._queue_limit:
            self._discarded.add(decisions)
            waiting.refuse(None)
        else:
            self._waiting.append(waiting)
            self._wake.set()
        return waiting.recorded

    async def _write_batches(self) -> None:
        """Write all that waits, again and again, until closed and nothing waits."""
        batch: list[_Waiting] = []
        try:
            while self._waiting or not self._closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(
                        self._retry_seconds if self._discarded.count else None
                    ):
                        await self._wake.wait()
                if len(batch) > 1:
                    await asyncio.sleep(_GATHERING_SECONDS)
                self._wake.clear()
                batch, self._waiting = self._waiting, []
                if batch or self._discarded.count:
                    await self._write(batch)
        finally:
            # However this ends, nobody may wait for a writer that is gone.
            self._closed = True
            for waiting in (*batch, *self._waiting):
                waiting.refuse(None)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        discarded, self._discarded = self._discarded, _Discarded()
        account = discarded.account()
        decisions = [decision for waiting in batch for decision in waiting.decisions]
        try:
            records = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._file.append, account + decisions
            )
        except (OSError, AuditFileError) as error:
            self._discarded.add_earlier(discarded)
            self._note_fault(str(error))
            for waiting in batch:
                self._discarded.add(waiting.decisions)
                waiting.refuse(error)
            return
        self._note_fault(None)
        made = islice(records, len(account), None)
        for waiting in batch:
            of_caller = tuple(islice(made, len(waiting.decisions)))
            if not waiting.recorded.done():
                waiting.recorded.set_result(of_caller)

    def _note_fault(self, fault: str | None) -> None:
        if fault is not None and fault != self._fault:
            _logger.error("audit log %s cannot be written: %s", self._file.path, fault)
        elif fault is None and self._fault is not None:
            _logger.warning("audit log %s is written again", self._file.path)
        self._fault = fault


def _unavailable(cause: BaseException | None) -> ServiceError:
    refusal = ServiceError(
        Code.CLOCK_UNRELIABLE if isinstance(cause, ClockUnreliable) else Code.AUDIT_UNAVAILABLE,
        "the decision could not be recorded, so its result was discarded; ask again later",
    )
    refusal.__cause__ = cause
    return refusal
