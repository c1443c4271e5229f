"""Asking through the vault: lanes, turns, limits, deadlines, and workers that die meanwhile."""

import asyncio
from typing import Any

import pytest

from tests.vault.other_end import ANSWER, LONG_CRL, PATIENCE, OtherEnd, connected, receipt
from tmsd.errors import Code, ServiceError
from tmsd.vault.account import Account
from tmsd.vault.card_messages import CryptogramVerified, DescribeKeySet, KeySetDescribed, MakeRandom
from tmsd.vault.certificate_messages import SignedCrl
from tmsd.vault.fair_queue import QueueLimits
from tmsd.vault.framing import FrameError
from tmsd.vault.message import Lane, NamedCard
from tmsd.vault.pool import WINDOW, Vault
from tmsd.vault.worker_messages import Receipt, Refused

ROOM = QueueLimits(per_caller=64, total=256)


def question_of(caller: str = "tps") -> MakeRandom:
    return MakeRandom(caller=caller, length=4)


def made(
    deadline: float = PATIENCE,
    limits: QueueLimits = ROOM,
    unclaimed: list[Receipt] | None = None,
) -> Vault:
    late = [] if unclaimed is None else unclaimed
    return Vault(dict.fromkeys(Lane, deadline), limits, late.append)


def asking(
    vault: Vault, caller: str = "tps", account: Account | None = None
) -> "asyncio.Task[Any]":
    return asyncio.create_task(vault.ask(question_of(caller), account or Account()))


async def refusal_of(task: "asyncio.Task[Any]") -> Code:
    with pytest.raises(ServiceError) as refused:
        await task
    return refused.value.code


async def callers_in_order(other: OtherEnd, count: int) -> list[str]:
    """Answer questions one by one; return who asked them."""
    callers = []
    for _ in range(count):
        asked = await other.question()
        callers.append(asked.request.caller)
        other.reply(asked.number)
    return callers


async def test_a_long_crl_may_take_longer_than_what_else_is_in_its_lane() -> None:
    vault = made(deadline=0.05)
    async with connected() as (worker, other):
        vault.attach(worker, Lane.SLOW)
        task = asyncio.create_task(vault.ask(LONG_CRL, Account()))
        asked = await other.question()
        await asyncio.sleep(0.3)
        other.reply(asked.number, SignedCrl(b"crl"))

        assert await task == SignedCrl(b"crl")


async def test_nothing_waits_behind_a_long_crl_but_in_the_queue() -> None:
    vault = made()
    async with connected() as (worker, other), connected() as (second, idle):
        vault.attach(worker, Lane.SLOW)
        crl = asyncio.create_task(vault.ask(LONG_CRL, Account()))
        asked = await other.question()
        vault.attach(second, Lane.SLOW)
        describing = [
            asyncio.create_task(vault.ask(DescribeKeySet("tps", "pilot"), Account()))
            for _ in range(3 * WINDOW)
        ]
        for _ in describing:
            idle.reply((await idle.question()).number, KeySetDescribed([]))
        assert await asyncio.gather(*describing) == [KeySetDescribed([])] * len(describing)
        assert worker.outstanding == 1
        other.reply(asked.number, SignedCrl(b"crl"))
        await crl


async def test_nobody_waits_while_there_is_no_worker() -> None:
    assert await refusal_of(asking(made())) is Code.HSM_UNAVAILABLE


async def test_the_answer_and_the_receipt_come_to_who_asked() -> None:
    vault, account = made(), Account()
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        task = asking(vault, account=account)
        other.reply((await other.question()).number, receipt=receipt(7))

        assert await task == ANSWER
    assert account.receipts == [receipt(7)]


async def test_a_refusal_is_raised_and_leaves_its_receipt_and_card() -> None:
    vault, account = made(), Account()
    card = NamedCard("pilot", 1, bytes(10))
    refusal = Refused(code=Code.KEY_MISSING, detail="why", pointer="/where", card=card)
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        task = asking(vault, account=account)
        other.reply((await other.question()).number, refusal, receipt(1))

        with pytest.raises(ServiceError) as refused:
            await task
    raised = refused.value
    assert (raised.code, raised.detail, raised.pointer) == (Code.KEY_MISSING, "why", "/where")
    assert (account.receipts, account.refused_card) == ([receipt(1)], card)


async def test_an_answer_to_another_kind_of_question_is_none() -> None:
    vault = made()
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        task = asking(vault)
        other.reply((await other.question()).number, CryptogramVerified(valid=True))

        with pytest.raises(FrameError, match="CryptogramVerified does not answer MakeRandom"):
            await task


async def test_no_answer_in_time_is_hsm_unavailable_and_the_late_receipt_is_not_lost() -> None:
    unclaimed: list[Receipt] = []
    vault = made(deadline=0.05, unclaimed=unclaimed)
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        task = asking(vault)
        number = (await other.question()).number
        assert await refusal_of(task) is Code.HSM_UNAVAILABLE

        other.reply(number, receipt=receipt(1))
        again = asking(vault)
        other.reply((await other.question()).number, receipt=receipt(2))
        await again
    assert unclaimed == [receipt(1)]


async def test_the_receipt_of_a_caller_that_left_is_not_lost() -> None:
    unclaimed: list[Receipt] = []
    vault = made(unclaimed=unclaimed)
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        left = asking(vault)
        number = (await other.question()).number
        left.cancel()
        other.reply(number, receipt=receipt(1))
        stays = asking(vault)
        other.reply((await other.question()).number, receipt=receipt(2))
        await stays
    assert unclaimed == [receipt(1)]


async def test_callers_take_turns_however_many_questions_one_of_them_has() -> None:
    vault = made()
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        flood = [asking(vault, "flooding") for _ in range(40)]
        await asyncio.sleep(0)
        modest = asking(vault, "modest")

        order = await callers_in_order(other, 41)

        await asyncio.gather(modest, *flood)
    # The worker has a few of the flood already; then it is the other's turn.
    assert order.index("modest") <= WINDOW + 2


async def test_one_callers_full_queue_refuses_it_at_once_and_nobody_else() -> None:
    vault = made(limits=QueueLimits(per_caller=2, total=100))
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        flood = [asking(vault, "flooding") for _ in range(20)]
        await asyncio.sleep(0)
        modest = asking(vault, "modest")
        await asyncio.sleep(0)

        refused = [task for task in flood if task.done()]
        assert len(refused) == 20 - (WINDOW + 1) - 2
        assert {await refusal_of(task) for task in refused} == {Code.OVERLOADED}
        await callers_in_order(other, 20 - len(refused) + 1)
        assert await modest == ANSWER


async def test_what_could_not_be_answered_in_time_is_refused_at_once() -> None:
    vault = made(deadline=0.5)
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        for _ in range(12):  # the worker takes a fifth of the deadline for each
            task = asking(vault)
            number = (await other.question()).number
            await asyncio.sleep(0.1)
            other.reply(number)
            await task
        waiting = [asking(vault) for _ in range(30)]
        await asyncio.sleep(0)

        refused = [task for task in waiting if task.done()]
        assert {await refusal_of(task) for task in refused} == {Code.OVERLOADED}
        for task in waiting:
            task.cancel()


async def test_a_question_whose_worker_died_is_asked_of_another() -> None:
    vault = made()
    async with connected() as (first, dying), connected() as (second, living):
        vault.attach(first, Lane.FAST)
        task = asking(vault)
        await dying.question()
        vault.attach(second, Lane.FAST)
        dying.die()
        living.reply((await living.question()).number)

        assert await task == ANSWER


async def test_a_question_that_kills_its_workers_kills_two() -> None:
    vault = made()
    async with connected() as (a, one), connected() as (b, two), connected() as (c, _):
        vault.attach(a, Lane.FAST)
        task = asking(vault)
        await one.question()
        vault.attach(b, Lane.FAST)
        one.die()
        await two.question()
        vault.detach(a)
        vault.attach(c, Lane.FAST)
        two.die()

        assert await refusal_of(task) is Code.HSM_UNAVAILABLE
        assert c.outstanding == 0


async def test_nobody_is_left_waiting_when_the_last_worker_dies_or_loses_its_token() -> None:
    for end in ("die", "lose"):
        vault = made()
        async with connected() as (worker, other):
            vault.attach(worker, Lane.FAST)
            tasks = [asking(vault) for _ in range(20)]
            number = (await other.question()).number
            if end == "die":
                other.die()
            else:
                other.tell("lost")
                other.reply(number, Refused(code=Code.HSM_UNAVAILABLE, detail="lost"))
                await asyncio.sleep(0.05)
                vault.reconsider()
                other.die()

            assert {await refusal_of(task) for task in tasks} == {Code.HSM_UNAVAILABLE}


async def test_a_worker_without_its_token_is_asked_nothing_until_it_has_it_again() -> None:
    vault = made()
    async with connected() as (a, lost), connected() as (b, well):
        vault.attach(a, Lane.FAST)
        vault.attach(b, Lane.FAST)
        lost.tell("lost")
        await asyncio.sleep(0.05)
        tasks = [asking(vault) for _ in range(WINDOW)]
        await callers_in_order(well, WINDOW)
        await asyncio.gather(*tasks)

        lost.tell("operational")
        await asyncio.sleep(0.05)
        tasks = [asking(vault) for _ in range(2)]
        for other in (lost, well):
            await callers_in_order(other, 1)
        await asyncio.gather(*tasks)


async def test_slow_questions_have_workers_of_their_own() -> None:
    vault = made()
    slow = DescribeKeySet(caller="tps", key_set="pilot")
    async with connected() as (a, fast_end), connected() as (b, slow_end):
        vault.attach(a, Lane.FAST)
        vault.attach(b, Lane.SLOW)
        describing = [asyncio.create_task(vault.ask(slow, Account())) for _ in range(2 * WINDOW)]
        number = (await slow_end.question()).number
        fast = [asking(vault) for _ in range(10)]

        # None of the slow ones is answered yet.
        await callers_in_order(fast_end, 10)
        await asyncio.gather(*fast)
        assert not any(task.done() for task in describing)
        slow_end.reply(number, KeySetDescribed(versions=[]))
        await _answer_the_rest(slow_end, describing)


async def test_a_slow_question_whose_worker_died_is_asked_of_a_fast_one() -> None:
    vault = made()
    slow = vault.ask(DescribeKeySet(caller="tps", key_set="pilot"), Account())
    async with connected() as (a, fast_end), connected() as (b, slow_end):
        vault.attach(a, Lane.FAST)
        vault.attach(b, Lane.SLOW)
        task = asyncio.create_task(slow)
        await slow_end.question()
        slow_end.die()
        fast_end.reply((await fast_end.question()).number, KeySetDescribed(versions=[]))

        assert await task == KeySetDescribed(versions=[])


async def test_slow_questions_go_to_the_others_where_there_are_none_for_them() -> None:
    vault = made()
    async with connected() as (worker, other):
        vault.attach(worker, Lane.FAST)
        slow = vault.ask(DescribeKeySet(caller="tps", key_set="pilot"), Account())
        task = asyncio.create_task(slow)
        other.reply((await other.question()).number, KeySetDescribed(versions=[]))

        assert await task == KeySetDescribed(versions=[])


async def test_a_successor_takes_over_without_a_moment_with_nobody() -> None:
    vault = made()
    async with connected() as (old, worn_out), connected() as (new, fresh):
        vault.attach(old, Lane.FAST)
        before = asking(vault)
        number = (await worn_out.question()).number
        vault.replace(old, new)
        after = asking(vault)

        fresh.reply((await fresh.question()).number)
        assert await after == ANSWER
        worn_out.reply(number)
        assert await before == ANSWER


async def _answer_the_rest(other: OtherEnd, tasks: "list[asyncio.Task[Any]]") -> None:
    for _ in tasks[1:]:
        other.reply((await other.question()).number, KeySetDescribed(versions=[]))
    await asyncio.gather(*tasks)
