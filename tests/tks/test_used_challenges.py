"""Tickets are remembered for as long as they could be used again, also over a restart."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.postgresql.cluster import Cluster
from tmsd.errors import Code, ServiceError
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.sqlite import SqliteFile
from tmsd.store.store import Store
from tmsd.tks import used_challenges
from tmsd.tks.used_challenges import UsedChallenges

A_MINUTE = 60.0


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(SqliteFile(tmp_path / "store.db")) as opened:
        yield opened


async def refusal(used: UsedChallenges, ticket: bytes) -> Code:
    with pytest.raises(ServiceError) as refused:
        await used.use(ticket)
    assert refused.value.pointer in (None, "/card/challenge")
    return refused.value.code


async def test_each_ticket_is_used_once(store: Store) -> None:
    used = UsedChallenges(store, A_MINUTE)
    for ticket in (b"one", b"two", b"three"):
        await used.use(ticket)

    for ticket in (b"three", b"one", b"two"):
        assert await refusal(used, ticket) is Code.CHALLENGE_USED


async def test_of_many_at_one_moment_one_succeeds(store: Store) -> None:
    used = UsedChallenges(store, A_MINUTE)

    outcomes = await asyncio.gather(
        *(used.use(b"ticket") for _ in range(50)), return_exceptions=True
    )

    assert outcomes.count(None) == 1


async def test_of_many_at_one_moment_over_two_fronts_one_succeeds(postgresql: Cluster) -> None:
    place = PostgresqlServer(postgresql.url(postgresql.make_database()))
    async with Store.open(place) as one, Store.open(place) as other:
        fronts = [UsedChallenges(store, A_MINUTE) for store in (one, other)]

        outcomes = await asyncio.gather(
            *(front.use(b"ticket") for front in fronts for _ in range(10)), return_exceptions=True
        )

    codes = [getattr(outcome, "code", outcome) for outcome in outcomes]
    assert codes.count(None) == 1
    assert codes.count(Code.CHALLENGE_USED) == 19


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Store.open(SqliteFile(path)) as before:
        await UsedChallenges(before, A_MINUTE).use(b"ticket")
    async with Store.open(SqliteFile(path)) as after:
        assert await refusal(UsedChallenges(after, A_MINUTE), b"ticket") is Code.CHALLENGE_USED


async def test_a_ticket_that_has_expired_by_itself_is_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_challenges, "_SWEEPING_SECONDS", 0.0)
    monkeypatch.setattr(used_challenges, "_GRACE_SECONDS", 0.0)
    used = UsedChallenges(store, remember_seconds=0.05)
    await used.use(b"ticket")

    await asyncio.sleep(0.06)

    await used.use(b"ticket")


async def test_a_small_step_of_the_clock_makes_no_used_ticket_young_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_challenges, "_SWEEPING_SECONDS", 0.0)
    used = UsedChallenges(store, remember_seconds=0.05)
    await used.use(b"ticket")

    await asyncio.sleep(0.06)

    assert await refusal(used, b"ticket") is Code.CHALLENGE_USED


async def test_when_no_more_can_be_remembered_none_is_used(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_challenges, "MAX_REMEMBERED", 2)
    used = UsedChallenges(store, A_MINUTE)
    await used.use(b"one")
    await used.use(b"two")

    assert await refusal(used, b"three") is Code.OVERLOADED
    assert await refusal(used, b"one") is Code.CHALLENGE_USED


async def test_room_comes_back_with_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_challenges, "MAX_REMEMBERED", 1)
    monkeypatch.setattr(used_challenges, "_SWEEPING_SECONDS", 0.0)
    monkeypatch.setattr(used_challenges, "_GRACE_SECONDS", 0.0)
    used = UsedChallenges(store, remember_seconds=0.05)
    await used.use(b"one")

    await asyncio.sleep(0.06)

    await used.use(b"two")
