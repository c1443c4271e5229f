"""Asking the workers: one hop per request, with a deadline, and 503 at once without one."""

import asyncio
import logging
import socket
import time
from typing import Self, TypeVar

from tmsd.errors import Code, ServiceError
from tmsd.vault.account import Account
from tmsd.vault.framing import FrameError, FrameReader, encode
from tmsd.vault.messages import (
    Answer,
    AnyRequest,
    Condition,
    Question,
    Refused,
    Reply,
    Request,
    Started,
    StartFailed,
)

LOG = logging.getLogger(__name__)

A = TypeVar("A", bound=Answer)

# A queue longer than this could not be answered within any sensible deadline.
MAX_WAITING = 256

_RECEIVE = 64 * 1024
_UNAVAILABLE = "the HSM is not available; try again later"


class WorkerConnection:
    """The front's end of a worker's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(Reply)
        self._arrived: list[Reply] = []
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._last_number = 0
        self.condition: Condition | None = None
        self._last_heard = time.monotonic()

    @classmethod
    async def over(cls, connected: socket.socket) -> Self:
        """Take over a connected socket."""
        return cls(*await asyncio.open_unix_connection(sock=connected))

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

    async def ask(self, request: AnyRequest, seconds: float) -> Reply:
        """Send a request and wait for its answer, with the worker's receipt for it.

        Raises:
            ServiceError: `overloaded`, when too many are waiting already;
                `hsm-unavailable`, when no answer comes in time or the worker goes away. A
                worker that answered nothing at all in that time hangs, and is given up.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise ServiceError(Code.OVERLOADED, "too many requests are waiting for the HSM")
        self._last_number += 1
        number = self._last_number
        asked_at = time.monotonic()
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            question = Question(number, asked_at + seconds, request)
            self._writer.write(encode(question))
            async with asyncio.timeout(seconds):
                return await answered
        except TimeoutError:
            if self._last_heard < asked_at:
                LOG.error("no answer from the worker for %g s; it is given up", seconds)  # noqa: TRY400  a timeout has no traceback worth reading
                # close() would first wait for the worker to take in what was written.
                self._writer.transport.abort()
            raise ServiceError(Code.HSM_UNAVAILABLE, _UNAVAILABLE) from None
        finally:
            self._waiting.pop(number, None)

    async def deliver_answers(self) -> None:
        """Hand answers to those who wait, until the worker goes away.

        Raises:
            FrameError: the worker does not keep to the protocol.
        """
        try:
            while received := await self._reader.read(_RECEIVE):
                self._last_heard = time.monotonic()
                for reply in self._frames.feed(received):
                    if isinstance(reply.answer, Condition):
                        self.condition = reply.answer
                    answered = self._waiting.get(reply.number)
                    if answered is not None and not answered.done():
                        answered.set_result(reply)
        except ConnectionError as error:
            LOG.warning("the connection to the worker broke: %s", error)
        finally:
            self._writer.close()
            for answered in self._waiting.values():
                if not answered.done():
                    answered.set_exception(ServiceError(Code.HSM_UNAVAILABLE, _UNAVAILABLE))

    @property
    def is_operational(self) -> bool:
        """Whether the worker has its token, as far as it has told."""
        return self.condition is None or self.condition.state == "operational"

    def close(self) -> None:
        """Close the socket, which ends the worker."""
        self._writer.close()


class Vault:
    """What services ask; workers come and go behind it."""

    def __init__(self, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._worker: WorkerConnection | None = None

    def attach(self, worker: WorkerConnection) -> None:
        """Send requests to this worker from now on."""
        self._worker = worker

    def detach(self) -> None:
        """Refuse requests at once, until a worker is attached again."""
        self._worker = None

    async def ask(self, request: Request[A], account: Account) -> A:
        """Ask, and return the answer that belongs to the request.

        Args:
            request: what is asked.
            account: takes in the worker's receipt, also that of a refusal.

        Raises:
            ServiceError: the worker's refusal; `hsm-unavailable` or `overloaded` where it
                could not be asked.
        """
        if self._worker is None or not self._worker.is_operational:
            raise ServiceError(Code.HSM_UNAVAILABLE, _UNAVAILABLE)
        reply = await self._worker.ask(request, self._deadline_seconds)  # type: ignore[arg-type]  # AnyRequest lists every subclass
        if reply.receipt is not None:
            account.receipts.append(reply.receipt)
        answer = reply.answer
        if isinstance(answer, Refused):
            account.refused_card = answer.card
            raise ServiceError(answer.code, answer.detail, pointer=answer.pointer)
        if not isinstance(answer, request.ANSWER):
            raise FrameError(f"{type(answer).__name__} does not answer {type(request).__name__}")
        return answer  # type: ignore[return-value]  # checked against the request's own ANSWER
