"""SQLite: one file, of one daemon, with a write-ahead log. What was committed is on the disk."""

import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from tmsd.store.database import Database, reason_of
from tmsd.store.error import StoreError
from tmsd.store.schema import require_schema, upgrade

_BUSY_SECONDS = 5.0
_OF_OTHERS = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A file, made with mode 0600 where there is none. Nobody but its owner may use it.

    Its group may read it, as a responder does that is another user.
    """

    path: Path

    def open(self) -> Database:
        """Open or create the file, and upgrade its schema.

        Raises:
            StoreError: it is no database, others may read it, or a later release has made it.
        """
        _require_private(self.path)
        engine = create_engine(
            "sqlite://",
            creator=lambda: _connect(self.path, "rw"),
            poolclass=StaticPool,
            hide_parameters=True,
        )
        pragmas = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
        _with_explicit_transactions(engine, "BEGIN IMMEDIATE", pragmas)
        return self._opened(engine, upgrade)

    def open_to_read(self) -> Database:
        """Open the file, which is there, to read it; see `Place`."""
        engine = create_engine(
            "sqlite://",
            creator=lambda: _connect(self.path, "ro"),
            poolclass=QueuePool,
            hide_parameters=True,
        )
        _with_explicit_transactions(engine, "BEGIN", ("query_only = ON",))
        return self._opened(engine, require_schema)

    def _opened(self, engine: Engine, look_at: Callable[[str, Connection], None]) -> Database:
        try:
            with engine.begin() as connection:
                look_at(str(self.path), connection)
            opened = self.path.stat()
        except SQLAlchemyError as error:
            engine.dispose()
            raise StoreError(f"database {self.path}: {reason_of(error)}") from error
        except BaseException:
            engine.dispose()
            raise

        def require_in_place() -> None:
            if not os.path.samestat(self.path.stat(), opened):
                raise OSError(f"{self.path} was replaced; put it back or restart")

        return Database(engine, require_in_place)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # By a URI, as the file that was looked at must not be made anew.
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
    )


def _require_private(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"database {path}: {error.strerror}") from error
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(mode) or mode & _OF_OTHERS:
        raise StoreError(
            f"database {path} must be a regular file that its owner alone may use (chmod 0600), "
            "and its group may read (chmod 0640)"
        )


def _with_explicit_transactions(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    """Begin and commit when told: Python's driver would do so by its own rules."""

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
