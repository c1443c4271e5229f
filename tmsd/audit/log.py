"""The audit log of a running process: many callers, one writer, one fsync for all who wait.

An answer may leave only after `record` has returned; where it raises, the result is to
be discarded. While one batch is on its way to the disk the next one gathers.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tmsd.audit.chain_file import AuditFileError, ChainFile, ClockUnreliable
from tmsd.audit.receipt import Receipt
from tmsd.audit.record import RECORDS_DISCARDED, Decision, Outcome, Record
from tmsd.errors import Code, ServiceError

ANSWER_UNCLAIMED = "worker.answer-unclaimed"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    decision: Decision
    recorded: asyncio.Future[Record]

    def refuse(self, cause: BaseException | None) -> None:
        # A cancelled caller no longer waits; an exception can serve one caller only.
        if not self.recorded.done():
            self.recorded.set_exception(_unavailable(cause))


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
        self._discarded = 0  # decisions that were not recorded and are not yet accounted for
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
        """What keeps the log from being written, for operators; None while it works."""
        return self._fault

    async def record(self, decision: Decision) -> Record:
        """Return the record of `decision` once it is on the disk.

        A caller that is cancelled leaves its decision to be recorded all the same: the
        operation did take place.

        Raises:
            ServiceError: AUDIT_UNAVAILABLE, or CLOCK_UNRELIABLE while the clock is behind the
                last record; the decision is not recorded.
        """
        if self._closed:
            raise _unavailable(None)
        if len(self._waiting) >= self._queue_limit:
            self._discarded += 1
            raise _unavailable(None)
        waiting = _Waiting(decision, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.recorded

    def note(self, receipt: Receipt) -> None:
        """Record an operation whose asker had given up: the worker has done it all the same."""
        unclaimed = Decision(
            operation=ANSWER_UNCLAIMED, outcome=Outcome.FAILED, receipts=(receipt,)
        )
        if self._closed or len(self._waiting) >= self._queue_limit:
            self._discarded += 1
            return
        recorded = asyncio.get_running_loop().create_future()
        recorded.add_done_callback(lambda done: done.exception())  # nobody waits for it
        self._waiting.append(_Waiting(unclaimed, recorded))
        self._wake.set()

    async def _write_batches(self) -> None:
        """Write all that waits, again and again, until closed and nothing waits."""
        batch: list[_Waiting] = []
        try:
            while self._waiting or not self._closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._retry_seconds if self._discarded else None):
                        await self._wake.wait()
                self._wake.clear()
                batch, self._waiting = self._waiting, []
                if batch or self._discarded:
                    await self._write(batch)
        finally:
            # However this ends, nobody may wait for a writer that is gone.
            self._closed = True
            for waiting in (*batch, *self._waiting):
                waiting.refuse(None)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        discarded = self._discarded
        decisions = [_account_of(discarded)] if discarded else []
        decisions += [waiting.decision for waiting in batch]
        try:
            records = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._file.append, decisions
            )
        except (OSError, AuditFileError) as error:
            self._discarded += len(batch)
            self._note_fault(str(error))
            for waiting in batch:
                waiting.refuse(error)
            return
        self._discarded -= discarded
        self._note_fault(None)
        for waiting, record in zip(batch, records[len(records) - len(batch) :], strict=True):
            if not waiting.recorded.done():
                waiting.recorded.set_result(record)

    def _note_fault(self, fault: str | None) -> None:
        if fault is not None and fault != self._fault:
            _logger.error("audit log %s cannot be written: %s", self._file.path, fault)
        elif fault is None and self._fault is not None:
            _logger.warning("audit log %s is written again", self._file.path)
        self._fault = fault


def _account_of(discarded: int) -> Decision:
    return Decision(
        operation=RECORDS_DISCARDED,
        outcome=Outcome.FAILED,
        code=Code.AUDIT_UNAVAILABLE,
        details={"count": discarded},
    )


def _unavailable(cause: BaseException | None) -> ServiceError:
    refusal = ServiceError(
        Code.CLOCK_UNRELIABLE if isinstance(cause, ClockUnreliable) else Code.AUDIT_UNAVAILABLE,
        "the decision could not be recorded, so its result was discarded; ask again later",
    )
    refusal.__cause__ = cause
    return refusal
