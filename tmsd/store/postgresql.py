"""PostgreSQL: one database that several daemons share, by libpq's ways to a server.

Transactions are serializable: what is right with one daemon stays right with several, and who loses
against another is told so (PostgreSQL 15, section 13.2.3).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine, event, func, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError

from tmsd.store.database import Database, reason_of
from tmsd.store.error import StoreError
from tmsd.store.password import PasswordUnavailable, read_password
from tmsd.store.schema import require_schema, upgrade

if TYPE_CHECKING:
    import psycopg

LOG = logging.getLogger(__name__)

_CONNECT_SECONDS = 5
# A server that is gone without a word is given up after so long.
_SILENCE_MS = 10_000
# Of this program's; other programs that use advisory locks have databases of their own.
_UPGRADE_LOCK = 0x746D7364

# read_only_sql_transaction: the server has become another's standby.
_READ_ONLY = "25006"

# A daemon that hangs must not hold up the others. A sequential scan would have a transaction depend
# on the whole table, and small tables get no other plan unless it is dear.
_SESSION = """
SET statement_timeout = '60s';
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '60s';
SET enable_seqscan = off;
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
"""


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """A database of a server.

    Attributes:
        url: a connection URI of libpq (PostgreSQL 15, section 34.1.1.2), without a password.
        password_file: holds the password alone, where the server asks for one. It is read for each
            connection.
    """

    url: str
    password_file: Path | None = None

    def open(self) -> Database:
        """Connect, and upgrade the schema, one daemon after another.

        Raises:
            StoreError: the server cannot be used, or a later release has made the database.
        """
        engine = self._engine("SERIALIZABLE", connections=1)
        return self._opened(engine, self._upgrade)

    def open_to_read(self) -> Database:
        """Connect to read; see `Place`."""
        engine = self._engine("REPEATABLE READ", connections=4)
        reading = engine.execution_options(postgresql_readonly=True)
        return self._opened(reading, self._require_schema)

    def _engine(self, isolation: str, *, connections: int) -> Engine:
        try:
            engine = create_engine(
                "postgresql+psycopg://",
                isolation_level=isolation,
                pool_size=connections,
                max_overflow=0,
                pool_pre_ping=True,  # a server that was restarted is reached by the next request
                hide_parameters=True,
                use_native_hstore=False,
                connect_args={
                    "application_name": "tmsd",
                    "connect_timeout": _CONNECT_SECONDS,
                    "tcp_user_timeout": _SILENCE_MS,
                },
            )
        except ModuleNotFoundError as error:
            raise StoreError("PostgreSQL takes the extra tmsd[postgresql], and libpq5") from error
        event.listen(engine, "do_connect", self._add_address)
        event.listen(engine, "connect", _set_up_session)
        event.listen(engine, "handle_error", _leave_standby)
        return engine

    def _add_address(
        self,
        _dialect: object,
        _record: object,
        arguments: list[object],
        options: dict[str, object],
    ) -> None:
        arguments[:] = [self.url]
        if self.password_file is not None:
            options["password"] = read_password(self.password_file)

    def _opened(self, engine: Engine, look_at: Callable[[Engine], None]) -> Database:
        try:
            look_at(engine)
        except SQLAlchemyError as error:
            engine.dispose()
            raise StoreError(f"database {self.url}: {reason_of(error)}") from error
        except PasswordUnavailable as error:
            engine.dispose()
            raise StoreError(str(error)) from error
        except BaseException:
            engine.dispose()
            raise
        return Database(engine, lambda: None)

    def _upgrade(self, engine: Engine) -> None:
        # A serializable transaction would go on with what it saw before it waited for the lock.
        with engine.connect() as connection:
            connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = '120s'"))
                connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
                upgrade(self.url, connection)
                if connection.execute(text("SHOW fsync")).scalar() == "off":
                    LOG.warning("PostgreSQL runs with fsync = off: what it loses, it has confirmed")

    def _require_schema(self, engine: Engine) -> None:
        with engine.begin() as connection:
            require_schema(self.url, connection)


def _set_up_session(connection: "psycopg.Connection", _record: object) -> None:
    connection.autocommit = True
    connection.execute(_SESSION)
    connection.autocommit = False


def _leave_standby(context: ExceptionContext) -> None:
    """Have the next request find the server that can be written to, among those of the URL."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
