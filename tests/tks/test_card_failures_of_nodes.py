"""Cards that fail at one of several daemons over one database wait at all of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.postgresql.cluster import Cluster
from tests.tks.test_card_failures import CARD, EVERYBODY, SAME_CARD_OF_ANOTHER, Clock, wait_of
from tmsd.errors import Code, ServiceError
from tmsd.store.card_failures import Failures, all_failures
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.store import Store
from tmsd.tks.card_failures import CardFailures


@dataclass(frozen=True, slots=True)
class Nodes:
    """Two daemons' failures, each by a clock and a connection of its own."""

    clocks: tuple[Clock, Clock]
    one: CardFailures
    other: CardFailures
    store: Store

    def pass_by(self, seconds: float) -> None:
        """Let time pass for both."""
        for clock in self.clocks:
            clock.now += int(seconds * 1000)

    async def on_record(self) -> Failures | None:
        """Return what is on record of the card."""
        return (await self.store.run(all_failures)).get(CARD)


@pytest_asyncio.fixture
async def nodes(postgresql: Cluster) -> AsyncIterator[Nodes]:
    place = PostgresqlServer(postgresql.url(postgresql.make_database()))
    async with Store.open(place) as one, Store.open(place) as other:
        clocks = Clock(), Clock()
        yield Nodes(clocks, CardFailures(one, clocks[0]), CardFailures(other, clocks[1]), one)


async def backing_off(judging: Awaitable[object]) -> float | None:
    """Return for how long a card has to wait, of which nobody is told more."""
    with pytest.raises(ServiceError) as refused:
        await judging
    assert refused.value.code is Code.BACKING_OFF
    return refused.value.retry_after


async def test_who_goes_from_one_to_the_other_has_no_more_tries(nodes: Nodes) -> None:
    for wait in (1, 2, 4, 8, 16):
        await nodes.one.failed(CARD)
        assert await backing_off(nodes.other.failed(CARD)) == wait
        # It knows now, and does not ask the HSM again.
        assert wait_of(nodes.other, CARD) == wait
        nodes.pass_by(wait)
        assert wait_of(nodes.other, CARD) == 0
    assert await nodes.on_record() == Failures(5, nodes.clocks[0].now)


async def test_they_count_together(nodes: Nodes) -> None:
    waits = []
    for node in (nodes.one, nodes.other, nodes.other, nodes.one):
        await node.failed(CARD)
        waits.append(wait_of(node, CARD))
        nodes.pass_by(waits[-1])
    assert waits == [1, 2, 4, 8]


async def test_nobody_learns_that_a_guess_was_right_while_the_card_waits(nodes: Nodes) -> None:
    used_up: list[object] = []
    await nodes.one.failed(CARD)
    assert await backing_off(nodes.other.succeeded(CARD, used_up.append)) == 1
    assert not used_up
    assert await nodes.on_record() == Failures(1, nodes.clocks[0].now + 1000)


async def test_of_failures_at_one_moment_one_is_told(nodes: Nodes) -> None:
    outcomes = await asyncio.gather(
        nodes.one.failed(CARD), nodes.other.failed(CARD), return_exceptions=True
    )
    codes = [getattr(outcome, "code", outcome) for outcome in outcomes]
    assert sorted(map(str, codes)) == sorted(map(str, [1, Code.BACKING_OFF]))
    on_record = await nodes.on_record()
    assert on_record is not None
    assert on_record.count == 1


async def test_a_card_that_proves_its_keys_to_one_begins_anew_with_all(nodes: Nodes) -> None:
    await nodes.one.failed(CARD)
    nodes.pass_by(1)
    await nodes.other.succeeded(CARD)
    assert await nodes.on_record() is None
    await nodes.one.failed(CARD)
    assert wait_of(nodes.one, CARD) == 1


async def test_a_clock_that_is_behind_makes_no_wait_longer_than_it_was_meant(nodes: Nodes) -> None:
    nodes.clocks[1].now -= 60_000
    await nodes.one.failed(CARD)
    assert await backing_off(nodes.other.failed(CARD)) == 1
    nodes.pass_by(1)
    await nodes.other.succeeded(CARD)


async def test_an_alert_knows_of_both(nodes: Nodes) -> None:
    await nodes.one.failed(CARD, callers=EVERYBODY)
    assert await nodes.other.failed(SAME_CARD_OF_ANOTHER, callers=EVERYBODY) == 2
