"""Back-off: from one second to five minutes, by caller and card, and over a restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from tmsd.errors import Code, ServiceError
from tmsd.store.card_failures import CardOfCaller, all_failures
from tmsd.store.sqlite import SqliteFile
from tmsd.store.store import Store
from tmsd.tks import card_failures
from tmsd.tks.card_failures import CardFailures, delay_ms

CARD = CardOfCaller("tps", "pilot", bytes(10))
SAME_CARD_OF_ANOTHER = CardOfCaller("branch", "pilot", bytes(10))
EVERYBODY = ("tps", "branch", "desk")


class Clock:
    """A clock that the test sets, in milliseconds."""

    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(SqliteFile(tmp_path / "store.db")) as opened:
        yield opened


def wait_of(failures: CardFailures, card: CardOfCaller) -> float:
    """Return how long a card must wait, in seconds; 0 where it need not."""
    try:
        failures.require_calm(card)
    except ServiceError as refusal:
        return (refusal.retry_after or 0.0) if refusal.code is Code.BACKING_OFF else -1.0
    return 0.0


async def test_each_failure_doubles_the_wait_up_to_five_minutes(store: Store) -> None:
    clock = Clock()
    failures = CardFailures(store, clock)
    waits = []
    for _ in range(12):
        await failures.failed(CARD)
        waits.append(wait_of(failures, CARD))
        clock.now += int(waits[-1] * 1000)
        assert wait_of(failures, CARD) == 0

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


@given(count=st.integers(1, 10**6))
def test_no_wait_is_for_good(count: int) -> None:
    assert 1_000 <= delay_ms(count) <= 300_000


async def test_a_card_that_proves_its_keys_begins_anew(store: Store) -> None:
    clock = Clock()
    failures = CardFailures(store, clock)
    for _ in range(5):
        await failures.failed(CARD)
    await failures.succeeded(CARD)
    assert wait_of(failures, CARD) == 0
    await failures.failed(CARD)

    assert wait_of(failures, CARD) == 1


async def test_one_callers_failures_are_no_others(store: Store) -> None:
    failures = CardFailures(store, Clock())
    for _ in range(5):
        await failures.failed(CARD)

    assert wait_of(failures, SAME_CARD_OF_ANOTHER) == 0


async def test_a_card_that_fails_with_several_callers_is_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    failures = CardFailures(store, Clock())
    assert await failures.failed(CARD, callers=EVERYBODY) == 1
    assert not caplog.records
    assert await failures.failed(SAME_CARD_OF_ANOTHER, callers=EVERYBODY) == 2

    assert "fails with several callers: branch, tps" in caplog.text


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "store.db"
    async with Store.open(SqliteFile(path)) as store:
        before = CardFailures(store, clock)
        for _ in range(4):
            await before.failed(CARD)
    async with Store.open(SqliteFile(path)) as store:
        after = CardFailures(store, clock)
        await after.load()

        assert wait_of(after, CARD) == 8


async def test_invented_cards_make_room_among_their_callers_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_failures, "MAX_OF_CALLER", 3)
    failures = CardFailures(store, Clock())
    await failures.failed(SAME_CARD_OF_ANOTHER)
    for number in range(10):
        await failures.failed(CardOfCaller("tps", "pilot", bytes([number])))

    assert wait_of(failures, SAME_CARD_OF_ANOTHER) == 1
    waiting = [n for n in range(10) if wait_of(failures, CardOfCaller("tps", "pilot", bytes([n])))]
    assert waiting == [7, 8, 9]


async def test_a_clock_that_is_set_back_makes_no_wait_longer_than_it_was_meant(
    store: Store,
) -> None:
    clock = Clock()
    failures = CardFailures(store, clock)
    await failures.failed(CARD)
    clock.now -= 10_000_000

    assert wait_of(failures, CARD) == 1
    clock.now += 400
    assert wait_of(failures, CARD) == 0.6
    clock.now += 600
    assert wait_of(failures, CARD) == 0


async def test_what_is_long_past_is_swept_and_alarms_nobody(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    failures = CardFailures(store, clock)
    await failures.failed(CARD)
    clock.now += card_failures.FORGOTTEN_MS + 2_000
    assert await failures.failed(SAME_CARD_OF_ANOTHER, callers=EVERYBODY) == 1

    assert not caplog.records
    remembered = await store.run(all_failures)
    assert list(remembered) == [SAME_CARD_OF_ANOTHER]
