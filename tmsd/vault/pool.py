"""Asking the workers: one hop per request, callers in turns, and 503 at once without a worker."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tmsd.clock import monotonic
from tmsd.errors import Code, ServiceError
from tmsd.vault.account import Account
from tmsd.vault.connection import WorkerConnection
from tmsd.vault.fair_queue import FairQueue, QueueFull, QueueLimits
from tmsd.vault.framing import FrameError
from tmsd.vault.message import Answer, Lane, Request
from tmsd.vault.messages import AnyRequest, Reply
from tmsd.vault.worker_messages import Receipt, Refused

A = TypeVar("A", bound=Answer)

# Questions that a worker has beside the one it works on: enough that it never waits for the
# front, and few enough that the queue, which is fair, decides who is next.
WINDOW = 4
# A question whose worker died is asked of one more; one that kills workers kills two.
ATTEMPTS = 2
# How fast the measured time of service follows a change.
_SMOOTHING = 0.1

_UNAVAILABLE = "the HSM is not available; try again later"
_OVERLOADED = "too many requests are waiting for the HSM"


@dataclass(eq=False, slots=True)
class _Asked:
    """A question on its way: waiting for a worker, or for the worker's answer."""

    request: AnyRequest
    deadline: float
    answered: "asyncio.Future[Reply]"
    attempts: int = 0


@dataclass(slots=True)
class _Serving:
    """The workers of one lane, those who wait for them, and how long a question takes."""

    deadline_seconds: float
    queue: FairQueue[_Asked]
    workers: list[WorkerConnection] = field(default_factory=list)
    mean_seconds: float = 0.0

    @property
    def operational(self) -> list[WorkerConnection]:
        """The workers that can be asked."""
        return [worker for worker in self.workers if worker.is_operational]

    def measure(self, seconds: float) -> None:
        """Learn how long a question took."""
        self.mean_seconds += (seconds - self.mean_seconds) * _SMOOTHING


class Vault:
    """What services ask; workers come and go behind it.

    Args:
        deadline_seconds: by lane, how long an asker waits.
        limits: how many may wait in each lane.
        unclaimed: told of the receipt of an answer that came too late for its asker.
    """

    def __init__(
        self,
        deadline_seconds: Mapping[Lane, float],
        limits: QueueLimits,
        unclaimed: Callable[[Receipt], None],
    ) -> None:
        self._unclaimed = unclaimed
        self._lanes = {lane: _Serving(deadline_seconds[lane], FairQueue(limits)) for lane in Lane}

    def attach(self, worker: WorkerConnection, lane: Lane) -> None:
        """Send a lane's questions to this worker as well from now on."""
        self._lanes[lane].workers.append(worker)
        self._dispatch()

    def replace(self, worker: WorkerConnection, successor: WorkerConnection) -> None:
        """Send the questions of one worker's lane to another from now on, without a gap."""
        for serving in self._lanes.values():
            serving.workers = [successor if each is worker else each for each in serving.workers]
        self._dispatch()

    def detach(self, worker: WorkerConnection) -> None:
        """Send no more questions to this worker; those that it has, it may still answer."""
        for serving in self._lanes.values():
            if worker in serving.workers:
                serving.workers.remove(worker)
        self._dispatch()

    @property
    def is_operational(self) -> bool:
        """Whether there is a worker that has its token."""
        return any(serving.operational for serving in self._lanes.values())

    def waiting(self) -> int:
        """Return how many questions wait for a worker."""
        return sum(len(serving.queue) for serving in self._lanes.values())

    def reconsider(self) -> None:
        """Look again at who can be asked: a worker told of a new condition."""
        self._dispatch()

    async def ask(self, request: Request[A], account: Account) -> A:
        """Ask, and return the answer that belongs to the request.

        Args:
            request: what is asked.
            account: takes in the worker's receipt, also that of a refusal.

        Raises:
            ServiceError: the worker's refusal; `hsm-unavailable`, when there is no worker with
                a token or no answer in time; `overloaded`, when too many wait, or so many that
                the answer would come too late.
        """
        reply = await self._ask(request)  # type: ignore[arg-type]  # AnyRequest lists every subclass
        if reply.receipt is not None:
            account.receipts.append(reply.receipt)
        answer = reply.answer
        if isinstance(answer, Refused):
            account.refused_card = answer.card
            raise ServiceError(answer.code, answer.detail, pointer=answer.pointer)
        if not isinstance(answer, request.ANSWER):
            raise FrameError(f"{type(answer).__name__} does not answer {type(request).__name__}")
        return answer  # type: ignore[return-value]  # checked against the request's own ANSWER

    async def _ask(self, request: AnyRequest) -> Reply:
        serving = self._serving(request)
        if not serving.operational:
            raise ServiceError(Code.HSM_UNAVAILABLE, _UNAVAILABLE)
        self._require_prospect(serving)
        loop = asyncio.get_running_loop()
        deadline = monotonic() + serving.deadline_seconds + request.extra_seconds
        asked = _Asked(request, deadline, loop.create_future())
        try:
            serving.queue.put(request.caller, asked)
        except QueueFull:
            raise ServiceError(Code.OVERLOADED, _OVERLOADED) from None
        self._dispatch_lane(serving)
        try:
            async with asyncio.timeout_at(deadline):
                return await asked.answered
        except TimeoutError:
            raise ServiceError(Code.HSM_UNAVAILABLE, _UNAVAILABLE) from None
        finally:
            for lane in self._lanes.values():
                lane.queue.remove(request.caller, asked)

    def _serving(self, request: AnyRequest) -> _Serving:
        """Return the request's lane; the fast one where there are no workers for slow ones."""
        serving = self._lanes[type(request).LANE]
        return serving if serving.workers else self._lanes[Lane.FAST]

    def _require_prospect(self, serving: _Serving) -> None:
        """Refuse what could not be answered in time, instead of letting it wait for nothing."""
        expected = len(serving.queue) * serving.mean_seconds / len(serving.operational)
        if expected > serving.deadline_seconds:
            raise ServiceError(Code.OVERLOADED, _OVERLOADED)

    def _dispatch(self) -> None:
        for serving in self._lanes.values():
            self._dispatch_lane(serving)

    def _dispatch_lane(self, serving: _Serving) -> None:
        operational = serving.operational
        if not operational:
            _refuse(serving.queue.drain())
            return
        while len(serving.queue):
            worker = min(operational, key=lambda each: each.load)
            if worker.load > WINDOW:
                return
            asked = serving.queue.take()
            if not asked.answered.done():
                self._send(serving, worker, asked)

    def _send(self, serving: _Serving, worker: WorkerConnection, asked: _Asked) -> None:
        asked.attempts += 1
        begun = monotonic()
        answered = worker.send(asked.request, asked.deadline)
        share = worker.load

        def finished(done: "asyncio.Future[Reply]") -> None:
            if done.cancelled():
                return
            if done.exception() is None:
                serving.measure((monotonic() - begun) / max(share, 1))
                self._hand_over(asked, done.result())
            else:
                self._ask_another(serving, asked)
            self._dispatch_lane(serving)

        answered.add_done_callback(finished)

    def _hand_over(self, asked: _Asked, reply: Reply) -> None:
        if not asked.answered.done():
            asked.answered.set_result(reply)
        elif reply.receipt is not None:
            # Too late for the asker, and not for the record.
            self._unclaimed(reply.receipt)

    def _ask_another(self, serving: _Serving, asked: _Asked) -> None:
        """Ask once more what a worker died over, as nothing outside has changed."""
        if asked.answered.done():
            return
        lanes = (serving, self._lanes[Lane.FAST])
        another = next((lane for lane in lanes if lane.operational), None)
        if asked.request.REPEATABLE and asked.attempts < ATTEMPTS and another is not None:
            another.queue.put_back(asked.request.caller, asked)
            self._dispatch_lane(another)
        else:
            _refuse([asked])


def _refuse(waiting: Iterable[_Asked]) -> None:
    for asked in waiting:
        if not asked.answered.done():
            asked.answered.set_exception(ServiceError(Code.HSM_UNAVAILABLE, _UNAVAILABLE))
