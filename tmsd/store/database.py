"""The database file: opened by one daemon, brought to this release's schema, durable.

SQLite with a write-ahead log: a transaction that was committed is on the disk.
"""

import os
import sqlite3
import stat
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

_MIGRATIONS = Path(__file__).with_name("migrations")
_BUSY_SECONDS = 5.0


class StoreError(Exception):
    """The database cannot be used: says which, why, and what would be right."""


def open_database(path: Path) -> Engine:
    """Open or create (mode 0600) the database, and upgrade its schema.

    Raises:
        StoreError: it is no database, others may read it, or a later release has made it.
    """
    _require_private(path)
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )
    _with_explicit_transactions(engine)
    try:
        with engine.begin() as connection:
            _upgrade(path, connection)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(f"database {path}: {reason_of(error)}") from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def reason_of(error: SQLAlchemyError) -> str:
    """Return what the database said, without the statement and its values."""
    return str(getattr(error, "orig", None) or type(error).__name__)


def migrations() -> Config:
    """Return Alembic's settings for this package's migrations."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _upgrade(path: Path, connection: Connection) -> None:
    config = migrations()
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        raise StoreError(
            f"database {path} has revision {present}, of a later release than this one: "
            "install that, or restore a backup of before its upgrade"
        )
    command.upgrade(config, "head")


def _require_private(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"database {path}: {error.strerror}") from error
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreError(
            f"database {path} must be a regular file that its owner alone may use (chmod 0600)"
        )


def _with_explicit_transactions(engine: Engine) -> None:
    """Begin and commit when told: Python's driver would do so by its own rules."""

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
