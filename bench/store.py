"""A store of many certificates beside one of few: does what is done to one of them grow dearer?

`python -m bench.store --many 1000000 --kind postgresql` takes another number, or the other kind.
Rows are made by the database itself. Each operation is a transaction of its own, durable as ever;
both stores take turns, and the figure is the median in the one divided by that in the other.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
from sqlalchemy import Connection, Engine, text

from tests.postgresql.cluster import made_cluster
from tmsd.store.certificates import (
    Reason,
    Request,
    Revocation,
    find,
    issue,
    open_authority,
    prepare,
)
from tmsd.store.database import Place
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.revocation import revoke
from tmsd.store.sqlite import SqliteFile
from tmsd.store.tables import CERTIFICATES, OCSP_ANSWERS

_CA = "bench"
_CERTIFICATE = secrets.token_bytes(800)
_NOW_MS = 1_800_000_000_000
_YEAR_MS = 31_536_000_000
_TIMES = 300

# As many rows as :count, each with a number and 32 random bytes.
_ROWS = {
    "sqlite": "WITH RECURSIVE numbers (n) AS "
    "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
    "SELECT n, randomblob(32) AS random FROM numbers",
    "postgresql": "SELECT n, sha256(int8send(n)) AS random "
    "FROM generate_series(1, :count) AS numbers (n)",
}
_CERTIFICATES = """
INSERT INTO certificates (ca, serial, profile, caller, subject, public_key_sha256, not_before_ms,
    not_after_ms, partition, idempotency_key, request_digest, prepared_ms, state, certificate,
    revoked_ms, reason, changed)
SELECT :ca, substr(random, 1, 16), 'profile', 'caller-' || (n % 10), 'CN=Card ' || n, random, :now,
    :now + n, n % 16, 'key-' || n, random, :now, 'issued', :certificate,
    CASE WHEN n % 20 = 0 THEN :now END, CASE WHEN n % 20 = 0 THEN 'superseded' END,
    CASE WHEN n % 20 = 0 THEN n ELSE 0 END
FROM ({rows}) AS rows ORDER BY random"""
_ANSWERS = """
INSERT INTO ocsp_answers (ca, serial, due_ms)
SELECT ca, serial, :now FROM certificates ORDER BY serial"""


@click.command()
@click.option("--few", default=10_000, show_default=True)
@click.option("--many", default=100_000, show_default=True)
@click.option("--kind", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
def command(few: int, many: int, kind: str) -> None:
    """Measure one kind of store with so many certificates."""
    with _two_places(kind) as (small, large):
        engines = small.open().engine, large.open().engine
        for engine, number in zip(engines, (few, many), strict=True):
            begun = time.perf_counter()
            with engine.begin() as connection:
                _fill(connection, number)
            click.echo(
                f"{kind}: {number:,} certificates made in {time.perf_counter() - begun:.0f} s"
            )
        for name, operation in _OPERATIONS.items():
            _compare(name, operation, *engines)
        for engine in engines:
            engine.dispose()


def main() -> None:
    """Measure what is measured by default, and print the figures."""
    command(args=[], standalone_mode=False)


@contextmanager
def _two_places(kind: str) -> Iterator[tuple[Place, Place]]:
    if kind == "sqlite":
        with TemporaryDirectory() as name:
            yield SqliteFile(Path(name, "few.db")), SqliteFile(Path(name, "many.db"))
        return
    with made_cluster() as cluster:
        cluster.start()
        few, many = (PostgresqlServer(cluster.url(cluster.make_database())) for _ in range(2))
        yield few, many


def _fill(connection: Connection, number: int) -> None:
    open_authority(connection, _CA)
    rows = _ROWS[connection.dialect.name]
    values = {"ca": _CA, "now": _NOW_MS, "certificate": _CERTIFICATE, "count": number}
    connection.execute(text("UPDATE authorities SET changes = :count"), {"count": number})
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    indexes = CERTIFICATES.indexes | OCSP_ANSWERS.indexes
    for index in indexes:
        index.drop(connection)
    connection.execute(text(_CERTIFICATES.format(rows=rows)), values)
    connection.execute(text(_ANSWERS), {"now": _NOW_MS})
    for index in indexes:  # all at once is far quicker than row by row
        index.create(connection)
    connection.exec_driver_sql("ANALYZE")


def _compare(name: str, operation: "Operation", few: Engine, many: Engine) -> None:
    taken: dict[Engine, list[float]] = {few: [], many: []}
    with_samples = [(engine, _serials(engine)) for engine in taken]
    for turn in range(_TIMES):
        for engine, serials in with_samples:
            begun = time.perf_counter()
            with engine.begin() as connection:
                operation(connection, serials[turn])
            taken[engine].append(time.perf_counter() - begun)
    small, large = median(taken[few]), median(taken[many])
    click.echo(
        f"    {name}: {large * 1e6:.0f} µs among many, {small * 1e6:.0f} µs among few,"
        f" ratio {large / small:.2f}"
    )


def _serials(engine: Engine) -> list[bytes]:
    """Return serial numbers from all over the table of those that are good."""
    query = text("SELECT serial FROM certificates WHERE changed = 0 AND serial > :start LIMIT 1")
    with engine.begin() as connection:
        return [
            connection.execute(query, {"start": secrets.token_bytes(16)}).scalar()
            or connection.execute(query, {"start": b""}).scalar_one()
            for _ in range(_TIMES)
        ]


def _look_up(connection: Connection, serial: bytes) -> None:
    if find(connection, _CA, serial) is None:
        raise SystemExit("a certificate is missing")


def _revoke(connection: Connection, serial: bytes) -> None:
    revoke(connection, _CA, serial, Revocation(_NOW_MS, Reason.SUPERSEDED))


def _issue(connection: Connection, _serial: bytes) -> None:
    number = next(_NUMBERS)
    serial = secrets.token_bytes(16)
    request = Request(
        ca=_CA,
        serial=serial,
        profile="profile",
        caller="caller-0",
        subject=f"CN=New {number}",
        public_key_sha256=sha256(serial).digest(),
        not_before_ms=_NOW_MS,
        not_after_ms=_NOW_MS + _YEAR_MS,
        partition=0,
        idempotency_key=f"new-{number}",
        request_digest=sha256(serial).digest(),
        prepared=_CERTIFICATE,
    )
    prepare(connection, request, _NOW_MS)
    issue(connection, _CA, serial, _CERTIFICATE, _NOW_MS)


Operation = Callable[[Connection, bytes], None]

_NUMBERS = count()
_OPERATIONS: dict[str, Operation] = {
    "look-up by serial number": _look_up,
    "revoke": _revoke,
    "prepare and issue": _issue,
}

if __name__ == "__main__":
    command()
