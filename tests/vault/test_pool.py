"""Asking a worker over its socket: deadlines, queue, broken protocols, lost workers.

The other end of the socket is held by the test, which answers as a worker may, or must not.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tmsd.errors import Code, ServiceError
from tmsd.vault.account import Account
from tmsd.vault.framing import FrameError, FrameReader, encode
from tmsd.vault.messages import (
    AnyAnswer,
    Capabilities,
    CryptogramVerified,
    MakeRandom,
    Question,
    RandomMade,
    Refused,
    Reply,
    Started,
    StartFailed,
    WrapCommands,
)
from tmsd.vault.pool import MAX_WAITING, Vault, WorkerConnection

PATIENCE = 5.0
ASKED = MakeRandom(caller="tps", length=4)
ANSWER = RandomMade(random=b"four")


class OtherEnd:
    """The worker's end of a socket, in the hands of a test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._frames = FrameReader(Question)
        self._arrived: list[Question] = []

    async def question(self) -> Question:
        """Return the next question."""
        while not self._arrived:
            self._arrived += self._frames.feed(await self._reader.read(65536))
        return self._arrived.pop(0)

    def reply(self, number: int, answer: AnyAnswer) -> None:
        """Answer a question."""
        self.writer.write(encode(Reply(number=number, answer=answer)))


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[WorkerConnection, OtherEnd]]:
    """Yield both ends of a socket whose answers are being delivered."""
    here, there = socket.socketpair()
    worker = await WorkerConnection.over(here)
    other = OtherEnd(*await asyncio.open_unix_connection(sock=there))
    delivering = asyncio.create_task(worker.deliver_answers())
    try:
        yield worker, other
    finally:
        other.writer.close()
        await asyncio.gather(delivering, return_exceptions=True)


async def refusal_of(asking: "asyncio.Task[Reply]") -> Code:
    """Return the code that a question is refused with."""
    with pytest.raises(ServiceError) as refused:
        await asking
    return refused.value.code


async def test_an_answer_comes_to_the_question_it_belongs_to() -> None:
    async with connected() as (worker, other):
        asking = [asyncio.create_task(worker.ask(ASKED, PATIENCE)) for _ in range(3)]
        numbers = [(await other.question()).number for _ in range(3)]
        for number in reversed(numbers):
            other.reply(number, RandomMade(random=bytes([number])))

        answers = await asyncio.gather(*asking)

    assert [reply.answer for reply in answers] == [
        RandomMade(random=bytes([number])) for number in numbers
    ]


async def test_an_answer_to_no_question_is_passed_over() -> None:
    async with connected() as (worker, other):
        asking = asyncio.create_task(worker.ask(ASKED, PATIENCE))
        question = await other.question()
        other.reply(question.number + 1000, RandomMade(random=b"astray"))
        other.reply(question.number, ANSWER)

        assert (await asking).answer == ANSWER


async def test_a_question_tells_the_worker_when_its_asker_stops_waiting() -> None:
    loop = asyncio.get_running_loop()
    async with connected() as (worker, other):
        asking = asyncio.create_task(worker.ask(ASKED, PATIENCE))
        question = await other.question()
        other.reply(question.number, ANSWER)
        await asking

    # The loop's clock is the machine's monotonic clock, which the worker reads as well.
    assert 0 < question.deadline - loop.time() <= PATIENCE


async def test_no_answer_within_the_deadline_is_hsm_unavailable() -> None:
    async with connected() as (worker, other):
        asking = asyncio.create_task(worker.ask(ASKED, 0.05))
        await other.question()

        assert await refusal_of(asking) is Code.HSM_UNAVAILABLE


async def test_a_worker_that_says_nothing_until_the_deadline_is_let_go() -> None:
    async with connected() as (worker, other):
        silent = asyncio.create_task(worker.ask(ASKED, 0.05))
        waiting = asyncio.create_task(worker.ask(ASKED, PATIENCE))
        await other.question()

        assert await refusal_of(silent) is Code.HSM_UNAVAILABLE
        assert await refusal_of(waiting) is Code.HSM_UNAVAILABLE


async def test_a_worker_that_does_not_even_read_is_let_go() -> None:
    here, there = socket.socketpair()
    with there:
        worker = await WorkerConnection.over(here)
        delivering = asyncio.create_task(worker.deliver_answers())
        largest = WrapCommands(caller="tps", session=bytes(512), apdus=[bytes(261)] * 64)
        asking = [asyncio.create_task(worker.ask(largest, 0.05)) for _ in range(MAX_WAITING)]

        async with asyncio.timeout(PATIENCE):
            assert {await refusal_of(task) for task in asking} == {Code.HSM_UNAVAILABLE}
            await delivering


async def test_a_worker_that_is_only_busy_is_kept() -> None:
    async with connected() as (worker, other):
        first = asyncio.create_task(worker.ask(ASKED, PATIENCE))
        late = asyncio.create_task(worker.ask(ASKED, 0.05))
        numbers = [(await other.question()).number for _ in range(2)]
        other.reply(numbers[0], ANSWER)

        assert (await first).answer == ANSWER
        assert await refusal_of(late) is Code.HSM_UNAVAILABLE
        again = asyncio.create_task(worker.ask(ASKED, PATIENCE))
        other.reply(numbers[1], ANSWER)
        other.reply((await other.question()).number, ANSWER)
        assert (await again).answer == ANSWER


async def test_a_worker_that_goes_away_fails_who_waits_at_once() -> None:
    async with connected() as (worker, other):
        asking = [asyncio.create_task(worker.ask(ASKED, PATIENCE)) for _ in range(3)]
        await other.question()
        other.writer.close()

        async with asyncio.timeout(1):
            assert [await refusal_of(task) for task in asking] == [Code.HSM_UNAVAILABLE] * 3


async def test_a_full_queue_refuses_further_questions_at_once() -> None:
    async with connected() as (worker, other):
        waiting = [asyncio.create_task(worker.ask(ASKED, PATIENCE)) for _ in range(MAX_WAITING)]
        numbers = [(await other.question()).number for _ in waiting]
        one_too_many = asyncio.create_task(worker.ask(ASKED, PATIENCE))

        assert await refusal_of(one_too_many) is Code.OVERLOADED

        for number in numbers:
            other.reply(number, ANSWER)
        replies = await asyncio.gather(*waiting)
        assert [reply.answer for reply in replies] == [ANSWER] * MAX_WAITING


async def test_a_question_whose_asker_left_makes_room_again() -> None:
    async with connected() as (worker, other):
        waiting = [asyncio.create_task(worker.ask(ASKED, PATIENCE)) for _ in range(MAX_WAITING)]
        for _ in waiting:
            await other.question()
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        asking = asyncio.create_task(worker.ask(ASKED, PATIENCE))
        other.reply((await other.question()).number, ANSWER)

        assert (await asking).answer == ANSWER
        for task in waiting:
            task.cancel()


@pytest.mark.parametrize(
    "written",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x00",
        encode(Question(1, 0.0, ASKED)),
    ],
    ids=["too long", "no message", "empty", "a question"],
)
async def test_a_worker_that_breaks_the_protocol_is_let_go(written: bytes) -> None:
    here, there = socket.socketpair()
    with there:
        worker = await WorkerConnection.over(here)
        asking = asyncio.create_task(worker.ask(ASKED, PATIENCE))
        await asyncio.sleep(0)
        there.sendall(written)

        with pytest.raises(FrameError):
            await worker.deliver_answers()
        assert await refusal_of(asking) is Code.HSM_UNAVAILABLE


class TestTheAnnouncement:
    async def test_is_the_first_thing_that_a_worker_says(self) -> None:
        found = Capabilities(*[True] * len(Capabilities.__struct_fields__))
        started = Started(
            worker=bytes(8),
            generation=1,
            token="label",
            policy_digest="0" * 64,
            capabilities=found,
        )
        here, there = socket.socketpair()
        with there:
            worker = await WorkerConnection.over(here)
            there.sendall(encode(Reply(number=0, answer=started)))

            assert await worker.announcement() == started
            worker.close()

    async def test_may_be_why_it_cannot_start(self) -> None:
        failed = StartFailed(reason="the token is not there")
        here, there = socket.socketpair()
        with there:
            worker = await WorkerConnection.over(here)
            there.sendall(encode(Reply(number=0, answer=failed)))

            assert await worker.announcement() == failed
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


class TestTheVault:
    async def test_refuses_at_once_while_there_is_no_worker(self) -> None:
        with pytest.raises(ServiceError) as refused:
            await Vault(deadline_seconds=PATIENCE).ask(ASKED, Account())

        assert refused.value.code is Code.HSM_UNAVAILABLE

    async def test_asks_the_worker_that_is_attached_until_it_is_detached(self) -> None:
        vault = Vault(deadline_seconds=PATIENCE)
        async with connected() as (worker, other):
            vault.attach(worker)
            asking = asyncio.create_task(vault.ask(ASKED, Account()))
            other.reply((await other.question()).number, ANSWER)
            assert await asking == ANSWER

            vault.detach()
            with pytest.raises(ServiceError):
                await vault.ask(ASKED, Account())

    async def test_raises_what_the_worker_refuses(self) -> None:
        vault = Vault(deadline_seconds=PATIENCE)
        refusal = Refused(code=Code.KEY_MISSING, detail="why", pointer="/where")
        async with connected() as (worker, other):
            vault.attach(worker)
            asking = asyncio.create_task(vault.ask(ASKED, Account()))
            other.reply((await other.question()).number, refusal)

            with pytest.raises(ServiceError) as refused:
                await asking

        raised = refused.value
        assert (raised.code, raised.detail, raised.pointer) == (Code.KEY_MISSING, "why", "/where")

    async def test_takes_no_answer_to_another_kind_of_question(self) -> None:
        vault = Vault(deadline_seconds=PATIENCE)
        async with connected() as (worker, other):
            vault.attach(worker)
            asking = asyncio.create_task(vault.ask(ASKED, Account()))
            other.reply((await other.question()).number, CryptogramVerified(valid=True))

            with pytest.raises(FrameError, match="CryptogramVerified does not answer MakeRandom"):
                await asking
