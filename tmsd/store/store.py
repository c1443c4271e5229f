"""The store of a running daemon: many ask, one thread writes, one commit for all who wait."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from tmsd.store.database import Database, Place, lost_against_another, reason_of, unavailable

LOG = logging.getLogger(__name__)

T = TypeVar("T")

Job = Callable[[Connection], Any]

MAX_WAITING = 4096

# Where several came at once, more are on their way: who waits so long for them commits less often.
_GATHERING_SECONDS = 0.002

# After a transaction that lost against another's, up to so many milliseconds pass until it is run
# again: each daemon has one writer, so that one of them gets through.
_PAUSES_MS = (1, 4, 16, 32, 64, 128, 256)
_JITTER = SystemRandom()


class ConstraintViolated(Exception):
    """A job wanted to write what the tables do not allow: a fault of the job."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    done: "asyncio.Future[Any]"


_Run = Callable[[Sequence[_Waiting], Connection], list[object]]


class Store:
    """Runs jobs on the database; made by `open` only.

    A job is a function of a connection. Those that wait at one moment share a transaction. Where
    one of them fails, all are run again, each in a savepoint of its own, so that it takes nothing
    from the others; as hardly any fails, savepoints from the first would be for nothing. A job may
    also be run again when the transaction lost against that of another daemon.
    """

    def __init__(self, database: Database, thread: Executor) -> None:
        self._database = database
        self._thread = thread
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._fault: str | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Place) -> AsyncIterator[Self]:
        """Open the database and, on leaving, finish what waits and close it.

        Raises:
            StoreError: it cannot be used.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as thread:
            loop = asyncio.get_running_loop()
            database = await loop.run_in_executor(thread, place.open)
            store = cls(database, thread)
            working = asyncio.create_task(store._work(), name="store")
            try:
                yield store
            finally:
                store._closed = True
                store._wake.set()
                await working
                await loop.run_in_executor(thread, database.engine.dispose)

    @property
    def fault(self) -> str | None:
        """What keeps the store from being used, for operators; None while it works."""
        return self._fault

    async def run(self, job: Callable[[Connection], T]) -> T:
        """Return what a job returned, once it is committed.

        Raises:
            ServiceError: `store-unavailable`; nothing of the job is in the database.
            ServiceError: the job's own; nothing of it is, either.
            ConstraintViolated: nor here.
        """
        if self._closed or len(self._waiting) >= MAX_WAITING:
            raise unavailable()
        waiting = _Waiting(job, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        result: T = await waiting.done
        return result

    async def _work(self) -> None:
        batch: list[_Waiting] = []
        while self._waiting or not self._closed:
            await self._wake.wait()
            if len(batch) > 1:
                await asyncio.sleep(_GATHERING_SECONDS)
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        try:
            outcomes = await loop.run_in_executor(self._thread, self._run_all, batch)
        except (SQLAlchemyError, OSError) as error:
            self._note_fault(reason_of(error) if isinstance(error, SQLAlchemyError) else str(error))
            outcomes = [unavailable() for _ in batch]
        else:
            self._note_fault(None)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.done.done():
                continue
            if isinstance(outcome, BaseException):
                waiting.done.set_exception(outcome)
            else:
                waiting.done.set_result(outcome)

    def _run_all(self, batch: Sequence[_Waiting]) -> list[object]:
        for pause_ms in _PAUSES_MS:
            try:
                return self._run_once(batch)
            except SQLAlchemyError as error:
                if not lost_against_another(error):
                    raise
            threading.Event().wait(_JITTER.uniform(0, pause_ms) / 1000)
        return self._run_once(batch)

    def _run_once(self, batch: Sequence[_Waiting]) -> list[object]:
        self._database.require_in_place()
        try:
            return self._in_transaction(batch, _together)
        except SQLAlchemyError as error:
            if not _is_of_the_job(error):
                raise
            failed: Exception = error
        except Exception as error:  # noqa: BLE001  it is its asker's, who gets it
            failed = error
        if len(batch) == 1:
            return [_told(failed)]
        return self._in_transaction(batch, _apart)

    def _in_transaction(self, batch: Sequence[_Waiting], run: _Run) -> list[object]:
        """Run jobs and commit; of several errors of the database, raise the first."""
        first: SQLAlchemyError | None = None
        try:
            with self._database.engine.begin() as connection:
                try:
                    return run(batch, connection)
                except SQLAlchemyError as error:
                    first = error
                    raise
        except SQLAlchemyError as error:
            raise (first or error) from None

    def _note_fault(self, fault: str | None) -> None:
        if fault == self._fault:
            return
        self._fault = fault
        if fault is None:
            LOG.warning("the database can be used again")
        else:
            LOG.error("the database cannot be used: %s", fault)


def _together(batch: Sequence[_Waiting], connection: Connection) -> list[object]:
    """Run jobs, of which the first that fails takes the others with it."""
    return [waiting.job(connection) for waiting in batch]


def _apart(batch: Sequence[_Waiting], connection: Connection) -> list[object]:
    """Run jobs of which each stands or falls by itself."""
    outcomes: list[object] = []
    for waiting in batch:
        try:
            outcomes.append(_in_savepoint(waiting.job, connection))
        except SQLAlchemyError as error:
            if not _is_of_the_job(error):
                raise
            outcomes.append(_told(error))
        except Exception as error:  # noqa: BLE001  it is its asker's, who gets it
            outcomes.append(_told(error))
    return outcomes


def _in_savepoint(job: Job, connection: Connection) -> object:
    """Run a job in a savepoint; of several errors of the database, raise the first.

    A transaction that the database gave up makes the way back fail as well.
    """
    first: SQLAlchemyError | None = None
    try:
        with connection.begin_nested():
            try:
                return job(connection)
            except SQLAlchemyError as error:
                first = error
                raise
    except SQLAlchemyError as error:
        raise (first or error) from None


def _is_of_the_job(error: SQLAlchemyError) -> bool:
    """Tell whether the database refused values, and would refuse them always."""
    return isinstance(error, IntegrityError | DataError) and not lost_against_another(error)


def _told(failed: Exception) -> Exception:
    """Return what the asker of a job that failed gets: nothing of SQLAlchemy's, nor any values."""
    return ConstraintViolated(reason_of(failed)) if isinstance(failed, SQLAlchemyError) else failed
