"""Jobs on the database: each whole or not at all, durable when it has answered, and never stuck."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tmsd.errors import Code, ServiceError
from tmsd.store.store import Store

PUT = text("INSERT INTO used_challenges (digest, expires_ms) VALUES (:digest, 0)")


def put(digest: bytes) -> Callable[[Connection], bytes]:
    def job(connection: Connection) -> bytes:
        connection.execute(PUT, {"digest": digest})
        return digest

    return job


def rows(path: Path) -> set[bytes]:
    with sqlite3.connect(path) as connection:
        return {digest for (digest,) in connection.execute("SELECT digest FROM used_challenges")}


async def test_what_a_job_did_is_there_for_others_when_it_has_answered(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store.db") as store:
        assert await store.run(put(b"one")) == b"one"
        assert rows(tmp_path / "store.db") == {b"one"}


async def test_a_job_that_refuses_leaves_nothing_and_harms_no_other(tmp_path: Path) -> None:
    def refusing(connection: Connection) -> None:
        connection.execute(PUT, {"digest": b"half"})
        raise ServiceError(Code.OVERLOADED, "no")

    async with Store.open(tmp_path / "store.db") as store:
        outcomes = await asyncio.gather(
            store.run(put(b"one")),
            store.run(refusing),
            store.run(put(b"two")),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], ServiceError)
        assert rows(tmp_path / "store.db") == {b"one", b"two"}


async def test_a_locked_database_is_a_refusal_and_heals_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmsd.store.database._BUSY_SECONDS", 0.05)
    path = tmp_path / "store.db"
    async with Store.open(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceError) as refused:
            await store.run(put(b"one"))
        assert refused.value.code is Code.STORE_UNAVAILABLE
        assert store.fault == "database is locked"
        holder.execute("ROLLBACK")

        await store.run(put(b"two"))
        assert store.fault is None
        assert rows(path) == {b"two"}


async def test_a_job_that_fails_in_its_own_way_fails_for_its_asker_alone(tmp_path: Path) -> None:
    def failing(_connection: Connection) -> None:
        raise ZeroDivisionError

    async with Store.open(tmp_path / "store.db") as store:
        outcomes = await asyncio.gather(
            store.run(failing), store.run(put(b"one")), return_exceptions=True
        )
        assert isinstance(outcomes[0], ZeroDivisionError)
        assert await store.run(put(b"two")) == b"two"
        assert rows(tmp_path / "store.db") == {b"one", b"two"}


async def test_a_file_that_was_removed_is_a_refusal_until_it_is_back(tmp_path: Path) -> None:
    path, away = tmp_path / "store.db", tmp_path / "away.db"
    async with Store.open(path) as store:
        path.rename(away)
        with pytest.raises(ServiceError) as refused:
            await store.run(put(b"one"))
        assert refused.value.code is Code.STORE_UNAVAILABLE
        assert "store.db" in (store.fault or "")
        away.rename(path)

        await store.run(put(b"two"))
        assert rows(path) == {b"two"}


async def test_a_full_database_is_a_refusal_that_says_so_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    def limit(pages: int) -> Callable[[Connection], None]:
        def job(connection: Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        return job

    async with Store.open(path) as store:
        await store.run(limit(1))  # no page more than there are
        outcomes = await asyncio.gather(
            *(store.run(put(number.to_bytes(4))) for number in range(2000)),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
        assert {refusal.code for refusal in refused} == {Code.STORE_UNAVAILABLE}
        assert store.fault == "database or disk is full"
        await store.run(limit(1_000_000))

        await store.run(put(b"afterwards"))
        assert store.fault is None


async def test_after_the_end_nothing_is_taken_in(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store.db") as store:
        pass
    with pytest.raises(ServiceError) as refused:
        await store.run(put(b"late"))
    assert refused.value.code is Code.STORE_UNAVAILABLE


KILLED = """
import asyncio, sys
from collections.abc import Callable
from pathlib import Path
from tests.store.test_store import put
from tmsd.store.store import Store

async def main():
    async with Store.open(Path(sys.argv[1])) as store:
        for number in range(1_000_000):
            await store.run(put(number.to_bytes(4)))
            print(number, flush=True)

asyncio.run(main())
"""


def test_what_was_answered_outlives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, cwd=root
    ) as process:
        assert process.stdout
        answered = [process.stdout.readline() for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        answered += process.stdout.readlines()

    numbers = {int(line) for line in answered if line.endswith(b"\n")}
    assert {number.to_bytes(4) for number in numbers} <= rows(path)
