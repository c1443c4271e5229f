"""Places of either kind; what is told of the store holds for both."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import pytest

from tests.postgresql.cluster import Cluster
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
