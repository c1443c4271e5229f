"""Turns with cards: however many are asked at one moment, no more can fail than are left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tmsd.config.callers import Caller, Role
from tmsd.errors import Code, ServiceError
from tmsd.store.card_failures import CardOfCaller
from tmsd.store.sqlite import SqliteFile
from tmsd.store.store import Store
from tmsd.tks.budgets import Budgets
from tmsd.tks.card_failures import CardFailures, nothing_to_use_up
from tmsd.tks.judging import Judging

PATIENCE = 20.0
MAX_WAITING = 64


class Desk:
    """Requests that come at one moment, and an HSM that takes its time with them."""

    def __init__(self, judging: Judging, *, genuine: bool) -> None:
        self._judging = judging
        self._genuine = genuine
        self._at_once = 0
        self.asked = 0
        self.most_at_once = 0

    async def present(self, caller: Caller, number: int) -> Code | None:
        """Return why a card was not judged; None where it was."""
        card = CardOfCaller(caller.name, "pilot", bytes([number]))
        try:
            async with self._judging.turn(caller, card):
                await self._judge(caller, card)
        except ServiceError as refusal:
            return refusal.code
        return None

    async def _judge(self, caller: Caller, card: CardOfCaller) -> None:
        self.asked += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        for _ in range(3):
            await asyncio.sleep(0)
        self._at_once -= 1
        if self._genuine:
            await self._judging.succeeded(card, nothing_to_use_up)
        else:
            await self._judging.failed(caller, card, nothing_to_use_up, ())


def caller(name: str = "tps", failures_per_minute: int = 1000) -> Caller:
    return Caller.model_validate(
        {
            "name": name,
            "public_key_sha256": "a" * 64,
            "roles": (Role.TPS,),
            "failures_per_minute": failures_per_minute,
        }
    )


@pytest_asyncio.fixture
async def judging(tmp_path: Path) -> AsyncIterator[Judging]:
    async with Store.open(SqliteFile(tmp_path / "store.db")) as store:
        yield Judging(Budgets(), CardFailures(store), MAX_WAITING, PATIENCE)


async def test_of_forgeries_of_one_card_at_one_moment_one_is_asked(judging: Judging) -> None:
    desk, tps = Desk(judging, genuine=False), caller()
    told = await asyncio.gather(*(desk.present(tps, 1) for _ in range(20)))

    assert desk.asked == 1
    assert sorted(map(str, told)) == sorted(map(str, [None, *[Code.BACKING_OFF] * 19]))


async def test_of_forgeries_of_many_cards_no_more_are_asked_than_may_fail(
    judging: Judging,
) -> None:
    desk, tps = Desk(judging, genuine=False), caller(failures_per_minute=3)
    told = await asyncio.gather(*(desk.present(tps, number) for number in range(20)))

    assert desk.asked == 3
    assert told.count(None) == 3
    assert told.count(Code.RATE_LIMITED) == 17


async def test_genuine_cards_are_all_judged_however_few_may_fail(judging: Judging) -> None:
    desk, tps = Desk(judging, genuine=True), caller(failures_per_minute=3)
    told = await asyncio.gather(*(desk.present(tps, number) for number in range(40)))

    assert told == [None] * 40
    assert desk.most_at_once == 3


async def test_a_genuine_card_that_is_presented_twice_at_once_is_judged_twice(
    judging: Judging,
) -> None:
    desk, tps = Desk(judging, genuine=True), caller()
    told = await asyncio.gather(*(desk.present(tps, 1) for _ in range(5)))

    assert told == [None] * 5
    assert desk.most_at_once == 1


async def test_nobody_waits_for_another_callers_cards(judging: Judging) -> None:
    desk = Desk(judging, genuine=True)
    held = CardOfCaller("tps", "pilot", bytes([1]))
    async with judging.turn(caller(failures_per_minute=1), held):
        assert await desk.present(caller("branch", failures_per_minute=1), 1) is None


async def test_no_more_wait_than_there_is_room_for(judging: Judging) -> None:
    desk, tps = Desk(judging, genuine=True), caller()
    async with judging.turn(tps, CardOfCaller("tps", "pilot", bytes([1]))):
        waiting = [asyncio.create_task(desk.present(tps, 1)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        assert await desk.present(tps, 1) is Code.OVERLOADED
        assert await desk.present(tps, 2) is None
    assert await asyncio.gather(*waiting) == [None] * MAX_WAITING


async def test_who_waited_too_long_is_told(tmp_path: Path) -> None:
    async with Store.open(SqliteFile(tmp_path / "store.db")) as store:
        judging = Judging(Budgets(), CardFailures(store), MAX_WAITING, seconds=0.05)
        desk, tps = Desk(judging, genuine=True), caller()
        async with judging.turn(tps, CardOfCaller("tps", "pilot", bytes([1]))):
            assert await desk.present(tps, 1) is Code.OVERLOADED


async def test_who_gives_up_waiting_leaves_nothing_behind(judging: Judging) -> None:
    desk, tps = Desk(judging, genuine=True), caller()
    async with judging.turn(tps, CardOfCaller("tps", "pilot", bytes([1]))):
        waiting = [asyncio.create_task(desk.present(tps, 1)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        again = asyncio.create_task(desk.present(tps, 1))
        await asyncio.sleep(0)
        assert not again.done()

    assert await again is None


async def test_a_failing_judgement_gives_the_turn_back(judging: Judging) -> None:
    tps, card = caller(), CardOfCaller("tps", "pilot", bytes([1]))
    with pytest.raises(ZeroDivisionError):
        async with judging.turn(tps, card):
            raise ZeroDivisionError

    assert await Desk(judging, genuine=True).present(tps, 1) is None
