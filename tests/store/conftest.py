"""Places of either kind; what is told of the store holds for both."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import pytest
from sqlalchemy import Connection, Engine

from tests.postgresql.cluster import Cluster
from tests.store.certificates import DEMO
from tmsd.store.certificates import open_authority
from tmsd.store.database import Place
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.sqlite import SqliteFile


@dataclass(frozen=True, slots=True)
class Kept:
    """A database of a test's own: its place, and what is in it for somebody else to see.

    Attributes:
        place: where it is.
        rows: a query, in the words that both kinds know, to rows.
        do: a statement, at once.
    """

    place: Place
    rows: Callable[[LiteralString], list[tuple[object, ...]]]
    do: Callable[[LiteralString], None]


@pytest.fixture
def sqlite_kept(tmp_path: Path) -> Kept:
    path = tmp_path / "store.db"

    def rows(query: LiteralString) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(query).fetchall()

    def do(statement: LiteralString) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)

    return Kept(SqliteFile(path), rows, do)


@pytest.fixture
def postgresql_kept(postgresql: Cluster) -> Kept:
    return kept_in(postgresql, postgresql.make_database())


def kept_in(cluster: Cluster, database: str) -> Kept:
    """Keep to a database of a server."""

    def rows(query: LiteralString) -> list[tuple[object, ...]]:
        with cluster.connect(database) as connection:
            return connection.execute(query).fetchall()

    def do(statement: LiteralString) -> None:
        with cluster.connect(database) as connection:
            connection.execute(statement)

    return Kept(PostgresqlServer(cluster.url(database)), rows, do)


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest) -> Kept:
    """A new database, of the one kind and of the other."""
    made: Kept = request.getfixturevalue(f"{request.param}_kept")
    return made


@pytest.fixture(scope="session")
def _sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = SqliteFile(tmp_path_factory.mktemp("store") / "store.db").open().engine
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _postgresql_engine(postgresql: Cluster) -> Iterator[Engine]:
    engine = PostgresqlServer(postgresql.url(postgresql.make_database())).open().engine
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A database of each kind, in which no test leaves anything."""
    made: Engine = request.getfixturevalue(f"_{request.param}_engine")
    return made


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction that is broken off in the end, in a database with the CA `demo`."""
    with engine.connect() as connection, connection.begin() as transaction:
        open_authority(connection, DEMO)
        yield connection
        transaction.rollback()
