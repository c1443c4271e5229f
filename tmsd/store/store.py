"""The store of a running daemon: many ask, one thread writes, one commit for all who wait."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tmsd.errors import Code, ServiceError
from tmsd.store.database import open_database, reason_of

LOG = logging.getLogger(__name__)

T = TypeVar("T")

Job = Callable[[Connection], Any]

MAX_WAITING = 4096


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    done: "asyncio.Future[Any]"


class Store:
    """Runs jobs on the database; made by `open` only.

    A job is a function of a connection. Those that wait at one moment share a transaction, each
    in a savepoint of its own, so that one that fails takes nothing from the others.
    """

    def __init__(self, path: Path, engine: Engine, thread: Executor) -> None:
        self._path = path
        self._opened = path.stat()
        self._engine = engine
        self._thread = thread
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._fault: str | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """Open the database and, on leaving, finish what waits and close it.

        Raises:
            StoreError: it cannot be used.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as thread:
            loop = asyncio.get_running_loop()
            engine = await loop.run_in_executor(thread, open_database, path)
            store = cls(path, engine, thread)
            working = asyncio.create_task(store._work(), name="store")
            try:
                yield store
            finally:
                store._closed = True
                store._wake.set()
                await working
                await loop.run_in_executor(thread, engine.dispose)

    @property
    def fault(self) -> str | None:
        """What keeps the store from being used, for operators; None while it works."""
        return self._fault

    async def run(self, job: Callable[[Connection], T]) -> T:
        """Return what a job returned, once it is committed.

        Raises:
            ServiceError: `store-unavailable`; nothing of the job is in the database.
            ServiceError: the job's own; nothing of it is, either.
        """
        if self._closed or len(self._waiting) >= MAX_WAITING:
            raise _unavailable()
        waiting = _Waiting(job, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        result: T = await waiting.done
        return result

    async def _work(self) -> None:
        while self._waiting or not self._closed:
            await self._wake.wait()
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
            outcomes = [_unavailable() for _ in batch]
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
        self._require_place()
        first: SQLAlchemyError | None = None
        outcomes: list[object] = []
        try:
            with self._engine.begin() as connection:
                for waiting in batch:
                    try:
                        outcomes.append(_run(waiting.job, connection))
                    except SQLAlchemyError as error:
                        first = error
                        raise
                    except Exception as error:  # noqa: BLE001  it is its asker's, who gets it
                        outcomes.append(error)
        except SQLAlchemyError as error:
            raise (first or error) from None
        return outcomes

    def _require_place(self) -> None:
        """Make sure that what is written is there at the next start.

        Raises:
            OSError: the file was removed or replaced.
        """
        if not os.path.samestat(self._path.stat(), self._opened):
            raise OSError(f"{self._path} was replaced; put it back or restart")

    def _note_fault(self, fault: str | None) -> None:
        if fault == self._fault:
            return
        self._fault = fault
        if fault is None:
            LOG.warning("the database can be used again")
        else:
            LOG.error("the database cannot be used: %s", fault)


def _run(job: Job, connection: Connection) -> object:
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


def _unavailable() -> ServiceError:
    return ServiceError(
        Code.STORE_UNAVAILABLE, "what was asked could not be remembered; ask again later"
    )
