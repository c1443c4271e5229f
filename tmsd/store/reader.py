"""Reading the database beside its writer: searches, CRLs and OCSP answers hold up nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tmsd.store.database import Database, Place, unavailable

T = TypeVar("T")

THREADS = 4


class Reader:
    """Runs jobs that read, a few at once; made by `open` only.

    Each sees one state of the database from its beginning to its end, and cannot write.
    """

    def __init__(self, database: Database, threads: Executor) -> None:
        self._database = database
        self._threads = threads

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Place) -> AsyncIterator[Self]:
        """Open a database that a `Store` has made or upgraded; on leaving, let its jobs end.

        Raises:
            StoreError: it cannot be used, or does not have this release's schema.
        """
        with ThreadPoolExecutor(THREADS, thread_name_prefix="reader") as threads:
            loop = asyncio.get_running_loop()
            database = await loop.run_in_executor(threads, place.open_to_read)
            try:
                yield cls(database, threads)
            finally:
                await loop.run_in_executor(threads, database.engine.dispose)

    async def run(self, job: Callable[[Connection], T]) -> T:
        """Return what a job returned.

        Raises:
            ServiceError: `store-unavailable`.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, job)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable() from error

    def _run(self, job: Callable[[Connection], T]) -> T:
        self._database.require_in_place()
        with self._database.engine.begin() as connection:
            return job(connection)
