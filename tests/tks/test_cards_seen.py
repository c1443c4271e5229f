"""Cards seen are written soon, at the end, and after a time without the store."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.worker.key_sets import made
from tmsd.store.cards_seen import counts
from tmsd.store.sqlite import SqliteFile
from tmsd.store.store import Store
from tmsd.tks import cards_seen
from tmsd.tks.cards_seen import CardsSeen

PILOT = made()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  it is another thread that writes
            await asyncio.sleep(0.05)


def on_record(path: Path) -> dict[int, int]:
    database = SqliteFile(path).open_to_read()
    with database.engine.begin() as connection:
        found = dict(counts(connection, "pilot"))
    database.engine.dispose()
    return found


async def test_a_sight_is_on_record_soon_and_the_last_ones_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Store.open(SqliteFile(path)) as store, CardsSeen(store).written():
        pass
    async with Store.open(SqliteFile(path)) as store:
        seen = CardsSeen(store)
        async with seen.written():
            seen.note(PILOT, bytes(10), 1)
            await until(lambda: on_record(path) == {1: 1})
            seen.note(PILOT, bytes(10), 2)
            seen.note(PILOT, bytes(9) + b"\x01", 2)
        assert on_record(path) == {2: 2}


async def test_cards_that_all_hold_the_same_keys_are_not_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Store.open(SqliteFile(path)) as store:
        seen = CardsSeen(store)
        async with seen.written():
            seen.note(made(diversification="none", undiversified=True), bytes(10), 1)
    assert on_record(path) == {}


async def test_sights_wait_for_a_store_that_is_away_the_oldest_making_room(tmp_path: Path) -> None:
    path, away = tmp_path / "store.db", tmp_path / "away"
    async with Store.open(SqliteFile(path)) as store:
        seen = CardsSeen(store)
        async with seen.written():
            path.rename(away)
            seen.note(PILOT, bytes(10), 1)
            await until(lambda: store.fault is not None)
            for number in range(1, cards_seen.MAX_WAITING + 1):
                seen.note(PILOT, number.to_bytes(10), 2)
            away.rename(path)
    assert on_record(path) == {2: cards_seen.MAX_WAITING}
