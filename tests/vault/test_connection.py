"""One worker's socket: answers come to their questions, and silence or nonsense ends it."""

import asyncio
import socket
import time

import pytest

from tests.vault.other_end import ANSWER, LONG_CRL, PATIENCE, connected
from tmsd.vault.card_messages import MakeRandom, RandomMade, WrapCommands
from tmsd.vault.certificate_messages import ENTRY_LENGTH, MAX_CRL_ENTRIES, SignCrl
from tmsd.vault.connection import WorkerConnection
from tmsd.vault.conversation import WorkerGone
from tmsd.vault.framing import FrameError, encode
from tmsd.vault.messages import Reply
from tmsd.vault.worker_messages import Capabilities, Started, StartFailed

ASKED = MakeRandom(caller="tps", length=4)


def later() -> float:
    return time.monotonic() + PATIENCE


async def test_an_answer_comes_to_the_question_it_belongs_to() -> None:
    async with connected() as (worker, other):
        asking = [worker.send(ASKED, later()) for _ in range(3)]
        numbers = [(await other.question()).number for _ in range(3)]
        for number in reversed(numbers):
            other.reply(number, RandomMade(random=bytes([number])))

        replies = await asyncio.gather(*asking)

    assert [reply.answer for reply in replies] == [
        RandomMade(random=bytes([number])) for number in numbers
    ]


async def test_an_answer_to_no_question_is_passed_over() -> None:
    async with connected() as (worker, other):
        asking = worker.send(ASKED, later())
        question = await other.question()
        other.reply(question.number + 1000, RandomMade(random=b"astray"))
        other.reply(question.number)

        assert (await asking).answer == ANSWER


async def test_a_question_tells_the_worker_when_its_asker_stops_waiting() -> None:
    async with connected() as (worker, other):
        deadline = later()
        worker.send(ASKED, deadline).cancel()

        assert (await other.question()).deadline == deadline


async def test_a_question_that_is_too_large_is_not_asked_and_nobody_waits_for_its_answer() -> None:
    entries = bytes((MAX_CRL_ENTRIES + 1000) * ENTRY_LENGTH)
    async with connected() as (worker, other):
        with pytest.raises(FrameError, match="are allowed"):
            worker.send(SignCrl("appliance", "demo", 0, 1, None, entries), later())
        assert worker.outstanding == 0
        asking = worker.send(ASKED, later())
        other.reply((await other.question()).number)
        assert (await asking).answer == ANSWER


async def test_a_worker_that_goes_away_leaves_nobody_waiting() -> None:
    async with connected() as (worker, other):
        asking = [worker.send(ASKED, later()) for _ in range(3)]
        await other.question()
        other.die()

        for each in asking:
            with pytest.raises(WorkerGone):
                await each
        with pytest.raises(WorkerGone):
            await worker.send(ASKED, later())
        assert not worker.is_operational
        await worker.drained()


async def test_a_worker_that_says_nothing_is_given_up() -> None:
    async with connected(silence_seconds=0.05) as (worker, _):
        with pytest.raises(WorkerGone):
            await worker.send(ASKED, later())


async def test_a_worker_that_says_nothing_over_a_long_crl_is_not_given_up() -> None:
    async with connected(silence_seconds=0.05) as (worker, other):
        asking = worker.send(LONG_CRL, later())
        number = (await other.question()).number
        await asyncio.sleep(0.3)
        other.reply(number)

        assert (await asking).answer == ANSWER
        with pytest.raises(WorkerGone):
            await worker.send(ASKED, later())


async def test_a_worker_that_does_not_even_read_is_given_up() -> None:
    here, there = socket.socketpair()
    with there:
        worker = await WorkerConnection.over(here)
        delivering = asyncio.create_task(worker.deliver_answers(lambda: 0.05, lambda: None))
        largest = WrapCommands(caller="tps", session=bytes(512), apdus=[bytes(261)] * 64)
        asking = [worker.send(largest, later()) for _ in range(256)]

        async with asyncio.timeout(PATIENCE):
            await delivering
            for each in asking:
                with pytest.raises(WorkerGone):
                    await each


async def test_a_worker_that_tells_its_condition_is_kept_however_long_it_takes() -> None:
    async with connected(silence_seconds=0.2) as (worker, other):
        asking = worker.send(ASKED, later())
        number = (await other.question()).number
        for _ in range(8):
            other.tell("operational")
            await asyncio.sleep(0.05)
        other.reply(number)

        assert (await asking).answer == ANSWER


async def test_a_change_of_condition_is_told_once() -> None:
    changes: list[bool] = []
    async with connected(changes=changes) as (worker, other):
        for state in ("operational", "lost", "lost", "operational"):
            other.tell(state)
        asking = worker.send(ASKED, later())
        other.reply((await other.question()).number)
        await asking

        assert changes == [False, True]


async def test_what_is_no_message_ends_the_connection() -> None:
    here, there = socket.socketpair()
    with there:
        worker = await WorkerConnection.over(here)
        delivering = asyncio.create_task(worker.deliver_answers(lambda: PATIENCE, lambda: None))
        asking = worker.send(ASKED, later())
        there.sendall(b"\xff\xff\xff\xff")

        with pytest.raises(FrameError):
            await delivering
        with pytest.raises(WorkerGone):
            await asking


async def test_a_worker_is_drained_when_it_has_answered_all() -> None:
    async with connected() as (worker, other):
        asking = [worker.send(ASKED, later()) for _ in range(2)]
        draining = asyncio.create_task(worker.drained())
        other.reply((await other.question()).number)
        await asking[0]
        assert not draining.done()
        other.reply((await other.question()).number)

        await asyncio.gather(draining, asking[1])
        assert worker.outstanding == 0


class TestTheAnnouncement:
    @pytest.mark.parametrize(
        "said",
        [
            Started(
                worker=bytes(8),
                generation=1,
                token="label",
                policy_digest="0" * 64,
                capabilities=Capabilities(*[True] * len(Capabilities.__struct_fields__)),
            ),
            StartFailed(reason="the token is not there"),
        ],
        ids=["it started", "why it cannot start"],
    )
    async def test_is_the_first_thing_that_a_worker_says(self, said: Started | StartFailed) -> None:
        here, there = socket.socketpair()
        with there:
            worker = await WorkerConnection.over(here)
            there.sendall(encode(Reply(number=0, answer=said)))

            assert await worker.announcement() == said
            worker.close()

    async def test_is_missed_where_the_worker_ends_before_it(self) -> None:
        here, there = socket.socketpair()
        worker = await WorkerConnection.over(here)
        there.close()

        with pytest.raises(FrameError, match="ended before it was ready"):
            await worker.announcement()

    async def test_is_no_other_message(self) -> None:
        here, there = socket.socketpair()
        with there:
            worker = await WorkerConnection.over(here)
            there.sendall(encode(Reply(number=0, answer=ANSWER)))

            with pytest.raises(FrameError, match="did not announce itself"):
                await worker.announcement()
