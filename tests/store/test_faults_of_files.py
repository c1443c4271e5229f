"""A database file that cannot be written is a refusal, and heals by itself."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.store.conftest import Kept
from tests.store.jobs import digests, put
from tmsd.errors import Code, ServiceError
from tmsd.store.store import Store


async def test_a_locked_database_is_a_refusal_and_heals_by_itself(
    sqlite_kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmsd.store.sqlite._BUSY_SECONDS", 0.05)
    async with Store.open(sqlite_kept.place) as store:
        holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceError) as refused:
            await store.run(put(b"one"))
        assert refused.value.code is Code.STORE_UNAVAILABLE
        assert store.fault == "database is locked"
        holder.execute("ROLLBACK")

        await store.run(put(b"two"))
        assert store.fault is None
        assert digests(sqlite_kept) == {b"two"}


async def test_a_file_that_was_removed_is_a_refusal_until_it_is_back(
    sqlite_kept: Kept, tmp_path: Path
) -> None:
    path, away = tmp_path / "store.db", tmp_path / "away.db"
    async with Store.open(sqlite_kept.place) as store:
        path.rename(away)
        with pytest.raises(ServiceError) as refused:
            await store.run(put(b"one"))
        assert refused.value.code is Code.STORE_UNAVAILABLE
        assert "store.db" in (store.fault or "")
        away.rename(path)

        await store.run(put(b"two"))
        assert digests(sqlite_kept) == {b"two"}


async def test_a_full_database_is_a_refusal_that_says_so_and_heals(sqlite_kept: Kept) -> None:
    def limit(pages: int) -> Callable[[Connection], None]:
        def job(connection: Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        return job

    async with Store.open(sqlite_kept.place) as store:
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
