"""A worker's socket, seen from who asks: questions go out, answers and conditions come in.

Which questions, and which answers, is for each boundary to say.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from tmsd.clock import monotonic
from tmsd.vault.framing import FrameError, FrameReader, encode
from tmsd.vault.message import Answer, Framed, Request
from tmsd.vault.worker_messages import Condition, Started, StartFailed

LOG = logging.getLogger(__name__)

_RECEIVE = 64 * 1024


class AnyReply(Framed, Protocol):
    """A reply, of whichever boundary; number 0 is what the worker says unasked."""

    @property
    def number(self) -> int:
        """That of the question."""

    @property
    def answer(self) -> Answer:
        """What the worker says."""


R = TypeVar("R", bound=AnyReply)


class WorkerGone(Exception):
    """The worker went away before it answered; nobody knows how far it came."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[R]):
    """Who waits for an answer, what was asked, and how long it may take beyond others."""

    operation: str
    extra_seconds: float
    answered: "asyncio.Future[R]"


class Conversation(Generic[R]):
    """The asker's end of a worker's socket.

    Args:
        reader: of the socket.
        writer: of the socket.
        question: makes a question of its number, its deadline and a request.
        reply: what comes back.

    Attributes:
        condition: what the worker last said of itself; None before it said anything.
        lost: the operations that it was asked for and never answered, once it has gone away.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        question: Callable[[int, float, Any], Framed],
        reply: type[R],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._question = question
        self._frames = FrameReader(reply)
        self._arrived: list[R] = []
        self._waiting: dict[int, _Waiting[R]] = {}
        self._last_number = 0
        self._gone = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.condition: Condition | None = None
        self.lost: tuple[str, ...] = ()

    @property
    def outstanding(self) -> int:
        """How many questions the worker has not answered yet."""
        return len(self._waiting)

    @property
    def load(self) -> int:
        """How much the worker has to do: a question that may take seconds more is as many more."""
        return sum(1 + int(waiting.extra_seconds) for waiting in self._waiting.values())

    @property
    def is_operational(self) -> bool:
        """Whether the worker is there and has its token, as far as it has told."""
        return not self._gone and (self.condition is None or self.condition.state == "operational")

    async def announcement(self) -> Started | StartFailed:
        """Wait for the worker to say whether it is ready.

        Raises:
            FrameError: it said something else, or nothing before it went away.
        """
        while not self._arrived:
            if not (received := await self._reader.read(_RECEIVE)):
                raise FrameError("the worker ended before it was ready")
            self._arrived += self._frames.feed(received)
        answer = self._arrived.pop(0).answer
        if not isinstance(answer, Started | StartFailed):
            raise FrameError("the worker did not announce itself")
        return answer

    def send(self, request: Request[Any], deadline: float) -> "asyncio.Future[R]":
        """Send a question; what is returned gets the reply, or `WorkerGone`.

        Args:
            request: what is asked.
            deadline: when the asker stops waiting, on the monotonic clock.

        Raises:
            FrameError: it is larger than one of its kind may be; nothing is sent.
        """
        answered: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        if self._gone:
            answered.set_exception(WorkerGone())
            return answered
        number = self._last_number + 1
        frame = encode(self._question(number, deadline, request))
        self._last_number = number
        operation = str(request.__struct_config__.tag)
        self._waiting[number] = _Waiting(operation, request.extra_seconds, answered)
        self._idle.clear()
        self._writer.write(frame)
        return answered

    async def deliver_answers(
        self, silence_seconds: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        """Hand answers to those who wait, until the worker goes away.

        Args:
            silence_seconds: how long the worker may say nothing, beside what it was asked may
                take; it tells its condition of its own accord, so that one that is silent hangs.
            changed: called when the worker has lost its token, or has it again.

        Raises:
            FrameError: the worker does not keep to the protocol.
        """
        try:
            self._take(self._arrived, changed)
            while received := await self._receive(silence_seconds):
                self._take(self._frames.feed(received), changed)
        except ConnectionError as error:
            LOG.warning("the connection to the worker broke: %s", error)
        finally:
            self._gone = True
            # close() would first wait for a worker that hangs to take in what was written.
            self._writer.transport.abort()
            self.lost = tuple(waiting.operation for waiting in self._waiting.values())
            for waiting in self._waiting.values():
                if not waiting.answered.done():
                    waiting.answered.set_exception(WorkerGone())
            self._waiting.clear()
            self._idle.set()

    async def drained(self) -> None:
        """Wait until the worker has answered all that it was asked, or is gone."""
        await self._idle.wait()

    def close(self) -> None:
        """Close the socket, which ends the worker."""
        self._writer.close()

    async def _receive(self, silence_seconds: Callable[[], float]) -> bytes:
        begun = monotonic()
        # It may have been asked for more since the waiting began.
        while (end := begun + silence_seconds() + self._extra_seconds()) > monotonic():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(end):
                    return await self._reader.read(_RECEIVE)
        silent = monotonic() - begun
        LOG.error("no word from the worker for %.1f s; it is given up", silent)
        return b""

    def _extra_seconds(self) -> float:
        return max((waiting.extra_seconds for waiting in self._waiting.values()), default=0.0)

    def _take(self, replies: list[R], changed: Callable[[], None]) -> None:
        for reply in replies:
            if isinstance(reply.answer, Condition):
                was_operational = self.is_operational
                self.condition = reply.answer
                if was_operational != self.is_operational:
                    changed()
                continue
            waiting = self._waiting.pop(reply.number, None)
            if waiting is not None and not waiting.answered.done():
                waiting.answered.set_result(reply)
            if not self._waiting:
                self._idle.set()
