"""What is remembered for TPSs of Dogtag: whose challenge it was, and which card had a session."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.postgresql.cluster import Cluster
from tmsd.errors import Code, ServiceError
from tmsd.store.dogtag_vouchers import VouchedCard
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.sqlite import SqliteFile
from tmsd.store.store import Store
from tmsd.tks import dogtag_memory
from tmsd.tks.dogtag_memory import IssuedChallenges, Vouchers

CARD = VouchedCard("tps", "pilot", b"k" * 10, b"c" * 10)
A_MINUTE = 60.0


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(SqliteFile(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dogtag_memory, "_SWEEPING_SECONDS", 0.0)
    monkeypatch.setattr(dogtag_memory, "_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(dogtag_memory, "VOUCHER_SECONDS", 0)


async def test_a_challenge_has_its_ticket_for_the_caller_who_was_given_it(store: Store) -> None:
    challenges = IssuedChallenges(store, A_MINUTE)
    await challenges.keep("tps", b"one", b"ticket of one")
    await challenges.keep("tps", b"two", b"ticket of two")

    assert await challenges.ticket("tps", b"one") == b"ticket of one"
    assert await challenges.ticket("tps", b"two") == b"ticket of two"
    assert await challenges.ticket("tps", b"three") is None
    assert await challenges.ticket("other", b"one") is None


async def test_a_card_has_its_latest_voucher_and_no_other_card_has_it(store: Store) -> None:
    vouchers = Vouchers(store)
    await vouchers.keep(CARD, b"first")
    await vouchers.keep(CARD, b"second")

    assert await vouchers.of(CARD) == b"second"
    for other in (
        replace(CARD, caller="other"),
        replace(CARD, key_set="other"),
        replace(CARD, kdd=b"K" * 10),
        replace(CARD, cuid=b"C" * 10),
    ):
        assert await vouchers.of(other) is None


async def test_another_front_and_the_next_process_know_the_same(postgresql: Cluster) -> None:
    place = PostgresqlServer(postgresql.url(postgresql.make_database()))
    async with Store.open(place) as one, Store.open(place) as other:
        await IssuedChallenges(one, A_MINUTE).keep("tps", b"challenge", b"ticket")
        await Vouchers(other).keep(CARD, b"earlier")
        await Vouchers(one).keep(CARD, b"voucher")

        assert await IssuedChallenges(other, A_MINUTE).ticket("tps", b"challenge") == b"ticket"
        assert await Vouchers(other).of(CARD) == b"voucher"
    async with Store.open(place) as later:
        assert await Vouchers(later).of(CARD) == b"voucher"


@pytest.mark.usefixtures("forgetful")
async def test_what_has_expired_is_forgotten(store: Store) -> None:
    challenges, vouchers = IssuedChallenges(store, 0.0), Vouchers(store)
    await challenges.keep("tps", b"one", b"ticket")
    await vouchers.keep(CARD, b"voucher")

    await challenges.keep("tps", b"two", b"ticket")
    await vouchers.keep(replace(CARD, key_set="other"), b"voucher")

    assert await challenges.ticket("tps", b"one") is None
    assert await vouchers.of(CARD) is None


async def test_when_no_more_can_be_remembered_none_is_given(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dogtag_memory, "MAX_REMEMBERED", 1)
    challenges, vouchers = IssuedChallenges(store, A_MINUTE), Vouchers(store)
    await challenges.keep("tps", b"one", b"ticket")
    await vouchers.keep(CARD, b"voucher")

    for refused in (
        challenges.keep("tps", b"two", b"ticket"),
        vouchers.keep(replace(CARD, key_set="other"), b"voucher"),
    ):
        with pytest.raises(ServiceError) as told:
            await refused
        assert told.value.code is Code.OVERLOADED


@pytest.mark.usefixtures("forgetful")
async def test_room_comes_back_with_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dogtag_memory, "MAX_REMEMBERED", 1)
    challenges = IssuedChallenges(store, 0.0)
    for challenge in (b"one", b"two", b"three"):
        await challenges.keep("tps", challenge, b"ticket")
