"""Keeping workers running: started one after another, renewed before they wear out, replaced.

Each place has one worker at a time, or two while one renews the other.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tmsd.daemon.worker_process import Source, Worker
from tmsd.systemd.journal import Event, about
from tmsd.vault.framing import FrameError
from tmsd.vault.message import Lane
from tmsd.vault.pool import Vault
from tmsd.vault.reaching import WorkerStartError

if TYPE_CHECKING:
    from tmsd.vault.worker_messages import Started

LOG = logging.getLogger(__name__)

_JITTER = random.SystemRandom()
_FIRST_PAUSE = 0.2
# So that a token that is back is found within 5 s, the start of a worker included.
_LONGEST_PAUSE = 3.0
# How often a worker's condition is compared with what wears it out.
_LOOKING_SECONDS = 0.5
# A worker that is silent for so long beyond its lane's deadline hangs: it tells its condition
# twice a second, but for the time of one operation.
_GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Endurance:
    """When a worker is worn out and replaced by a new one.

    Attributes:
        derivations: keys and other session objects made since it began.
        resident_bytes: the memory that it holds.
        silence_seconds: how long it may need to reach a token anew without a word.
    """

    derivations: int
    resident_bytes: int
    silence_seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker works.

    Attributes:
        number: tells places apart, from 1.
        lane: whose questions it answers.
        deadline_seconds: how long one of them may take.
        source: where the worker comes from.
    """

    number: int
    lane: Lane
    deadline_seconds: float
    source: Source


class Workers:
    """All places and who works there; the vault asks them.

    Args:
        vault: sends them the questions.
        places: all of them, fast ones first.
        endurance: when one is worn out.
        policy_digest: of the policy that they must go by.
        note_lost: told of a worker, by its id in hex, that ended over operations without an answer.

    Attributes:
        policy_digest: of the policy that workers must go by.
        announced: what the latest worker said of itself; None before the first.
        serving: the workers that are asked, by place.
    """

    def __init__(
        self,
        vault: Vault,
        places: Sequence[Place],
        endurance: Endurance,
        policy_digest: str,
        note_lost: Callable[[str, Sequence[str]], None],
    ) -> None:
        self._vault = vault
        self._note_lost = note_lost
        self._places = tuple(places)
        self._endurance = endurance
        self._starting = asyncio.Lock()
        self._yielding: Place | None = None
        self._prepared: dict[Place, Worker] = {}
        self._leaving: list[Worker] = []
        self.policy_digest = policy_digest
        self.announced: Started | None = None
        self.serving: dict[Place, Worker] = {}

    async def renew(self, policy_digest: str, seconds: float) -> None:
        """Replace every worker by one that goes by another policy: all of them, or none.

        Places that have room for a second worker get all of theirs before any is asked.

        Raises:
            WorkerStartError: not all could be in time. Those that serve go on by the policy
                before; an exclusive place whose worker went by the new one is empty until
                both agree again.
        """
        try:
            await self._prepare(policy_digest)
            await self._take_over(policy_digest, seconds * len(self._places))
        finally:
            for worker in self._prepared.values():
                await worker.running.stop()
            self._prepared.clear()

    async def _prepare(self, policy_digest: str) -> None:
        for place in self._places:
            if place.source.exclusive or self._goes_by(place, policy_digest):
                continue
            async with self._starting:
                self._prepared[place] = await place.source.start(policy_digest)

    async def _take_over(self, policy_digest: str, seconds: float) -> None:
        before, self.policy_digest = self.policy_digest, policy_digest
        try:
            async with asyncio.timeout(seconds):
                # Places change one by one, each by itself.
                while not all(self._goes_by(place, policy_digest) for place in self._places):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOKING_SECONDS)
        except TimeoutError:
            self.policy_digest = before
            raise WorkerStartError("not every worker could be replaced in time") from None

    def _goes_by(self, place: Place, policy_digest: str) -> bool:
        worker = self.serving.get(place)
        return worker is not None and worker.announced.policy_digest == policy_digest

    @property
    def is_serving(self) -> bool:
        """Whether there is a worker that has its token."""
        return any(worker.connection.is_operational for worker in self.serving.values())

    @property
    def policies(self) -> set[str]:
        """The digests of the policies that workers go by, also those that are about to end."""
        living = (*self.serving.values(), *self._prepared.values(), *self._leaving)
        return {worker.announced.policy_digest for worker in living}

    @property
    def waiting(self) -> int:
        """How many questions wait for a worker."""
        return self._vault.waiting()

    def by_place(self) -> list[tuple[Place, Worker | None]]:
        """Return who works where."""
        return [(place, self.serving.get(place)) for place in self._places]

    async def keep(self, ready: asyncio.Event) -> None:
        """Serve until cancelled; `ready` is set when the first worker is.

        Raises:
            WorkerStartError: the first worker did not start.
        """
        first, *others = self._places
        worker = await self._start(first)
        self._vault.attach(worker.connection, first.lane)
        self.serving[first] = worker
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_place(first, worker, tasks))
            ready.set()
            for place in others:
                tasks.create_task(self._keep_place(place, None, tasks))

    async def _start(self, place: Place) -> Worker:
        # Modules that start at the same moment can break each other.
        async with self._starting:
            worker = self._prepared.get(place)
            if worker is not None and worker.announced.policy_digest == self.policy_digest:
                del self._prepared[place]
            else:
                worker = await place.source.start(self.policy_digest)
        self.announced = worker.announced
        return worker

    async def _keep_place(
        self, place: Place, worker: Worker | None, tasks: asyncio.TaskGroup
    ) -> None:
        while True:
            if worker is None:
                worker = await self._start_sometime(place)
                self._vault.attach(worker.connection, place.lane)
                if self._yielding is place:
                    self._yielding = None
            self.serving[place] = worker
            delivering = tasks.create_task(self._deliver(place, worker))
            successor = await self._until_worn_out(place, worker, delivering)
            self._leaving.append(worker)
            if successor is None:
                self._vault.detach(worker.connection)
                del self.serving[place]
            else:
                self._vault.replace(worker.connection, successor.connection)
            tasks.create_task(self._retire(place, worker, delivering))
            worker = successor

    async def _start_sometime(self, place: Place) -> Worker:
        """Start a worker, with growing pauses until one does."""
        pause = _FIRST_PAUSE
        told = None
        while True:
            await asyncio.sleep(pause * _JITTER.uniform(0.5, 1))
            try:
                return await self._start(place)
            except WorkerStartError as error:
                if str(error) != told:
                    refused = about(Event.WORKER_REFUSED)
                    LOG.error("the worker did not start: %s", error, extra=refused)
                told = str(error)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _until_worn_out(
        self, place: Place, worker: Worker, delivering: asyncio.Task[None]
    ) -> Worker | None:
        """Return the successor of a worker that is worn out; None when it ended by itself."""
        renewing = asyncio.create_task(self._successor(place, worker))
        try:
            await asyncio.wait({delivering, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if renewing.done():
                LOG.info("worker %s is worn out, and another goes on", worker.name)
                return renewing.result()
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        ended = about(Event.WORKER_ENDED, worker=worker.name)
        LOG.error("worker %s ended; starting another", worker.name, extra=ended)
        return None

    async def _retire(self, place: Place, worker: Worker, delivering: asyncio.Task[None]) -> None:
        """Wait for a worker's last answers, and end it."""
        try:
            async with asyncio.timeout(place.deadline_seconds):
                await worker.connection.drained()
        except TimeoutError:
            LOG.warning("worker %s did not give its last answers in time", worker.name)
        finally:
            delivering.cancel()
            await asyncio.wait({delivering})
            if worker.connection.lost:
                self._note_lost(worker.announced.worker.hex(), worker.connection.lost)
            await worker.running.stop()
            self._leaving.remove(worker)

    async def _deliver(self, place: Place, worker: Worker) -> None:
        patient = place.deadline_seconds + _GRACE_SECONDS

        def silence_seconds() -> float:
            reaching = self._endurance.silence_seconds
            return patient if worker.connection.is_operational else max(patient, reaching)

        try:
            await worker.connection.deliver_answers(silence_seconds, self._vault.reconsider)
        except FrameError:
            LOG.exception("worker %s broke the protocol", worker.name)

    async def _successor(self, place: Place, worker: Worker) -> Worker | None:
        """Return a worker to go on with, once this one is worn out and another has started.

        None where the other can only start when this one has ended.
        """
        while True:
            await asyncio.sleep(_LOOKING_SECONDS)
            if not self._is_worn_out(worker):
                continue
            if place.source.exclusive:
                if self._yielding is not None:
                    continue  # one place at a time, so that the others serve meanwhile
                self._yielding = place
                return None  # there is no room for another beside it
            try:
                return await self._start(place)
            except WorkerStartError as error:
                LOG.warning(
                    "worker %s is worn out and stays, as no other starts: %s", worker.name, error
                )
                await asyncio.sleep(_LONGEST_PAUSE)

    def _is_worn_out(self, worker: Worker) -> bool:
        if worker.announced.policy_digest != self.policy_digest:
            return True
        condition = worker.connection.condition
        return (
            condition is not None
            and condition.state == "operational"
            and (
                condition.derivations >= self._endurance.derivations
                or condition.resident_bytes >= self._endurance.resident_bytes
            )
        )
