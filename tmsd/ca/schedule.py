"""What comes by itself: OCSP answers that are due, CRLs before they run out, and a sweep.

A revocation's new answer is due at once, whoever revoked. Each CA's answers and each CA's CRLs
are seen to by themselves: a key that is missing, or a CRL that takes long, keeps nobody else's.
Of a CA's CRLs, of partitions and deltas too, one is made at a time, in their turns (turns.py).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from tmsd import clock
from tmsd.audit.trail import Trail, recorded
from tmsd.ca.publishing import answer_due, answers_due, publish_crl
from tmsd.ca.service import Certification
from tmsd.ca.turns import Turn, turns
from tmsd.config.callers import APPLIANCE
from tmsd.errors import ServiceError
from tmsd.store import certificates

LOG = logging.getLogger(__name__)

_LOOKING_SECONDS = 0.25
_LONGEST_PAUSE = 30.0
# How often at least it is looked at when a CRL is due: clocks are set, and other nodes publish.
_LOOKING_AGAIN_SECONDS = 60.0
_SWEEPING_SECONDS = 60.0
# As long as a prepared certificate can be signed, and as a worker may take for it at most.
_GIVEN_UP_MS = 75 * 60_000

# Returns for how many seconds there is nothing more to do.
Work = Callable[[Certification], Awaitable[float]]


async def keep(present: Callable[[], Certification]) -> None:
    """Publish until cancelled.

    Args:
        present: gives the service, which a reload replaces.
    """
    chores: dict[str, _Chore] = {}
    try:
        while True:
            service = present()
            for name, work in _works(service):
                chores.setdefault(name, _Chore(name)).go_on(service, work)
            await asyncio.sleep(_LOOKING_SECONDS)
    finally:
        running = [chore.running for chore in chores.values() if chore.running is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _works(ca: Certification) -> Iterator[tuple[str, Work]]:
    """Yield what there is to do now and then, by what it is called in the log."""
    if ca.policy.authorities.by_name:
        yield "the sweep of certificates that nobody came back for", _sweep
    if not ca.vault.is_operational:
        return
    for name, authority in ca.policy.authorities.by_name.items():
        yield f"the CRLs of {name}", partial(_keep_crls, name)
        if authority.table.ocsp is not None:
            yield f"OCSP answers of {name}", partial(_keep_answers, name)


@dataclass(slots=True)
class _Chore:
    """Something that is done again and again; when it fails it rests, longer each time.

    Attributes:
        name: what it is.
        running: the task that does it.
    """

    name: str
    running: "asyncio.Task[None] | None" = None
    _rests_until: float = 0.0
    _pause: float = _LOOKING_SECONDS
    _told: str | None = None

    def go_on(self, ca: Certification, work: Work) -> None:
        """Do it, unless it is being done, or rests."""
        is_running = self.running is not None and not self.running.done()
        if not is_running and clock.monotonic() >= self._rests_until:
            self.running = asyncio.create_task(self._do(ca, work), name=self.name)

    async def _do(self, ca: Certification, work: Work) -> None:
        try:
            seconds = await work(ca)
        except ServiceError as error:
            self._rest(str(error))
        except Exception:
            LOG.exception("%s: a fault of this program", self.name)
            self._rest("a fault of this program")
        else:
            if self._told is not None:
                LOG.warning("%s can be kept again", self.name)
            self._pause, self._told = _LOOKING_SECONDS, None
            self._rests_until = clock.monotonic() + seconds

    def _rest(self, reason: str) -> None:
        if reason != self._told:
            LOG.error("%s cannot be kept: %s", self.name, reason)
        self._told = reason
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        self._rests_until = clock.monotonic() + self._pause


async def _keep_answers(name: str, ca: Certification) -> float:
    while await answers_due(ca, name):
        await _on_record(ca, "ca.answer", partial(answer_due, ca, name))
    return 0


async def _keep_crls(name: str, ca: Certification) -> float:
    """Sign what is due; a CRL that cannot be signed keeps none of the others."""
    refused: ServiceError | None = None
    for turn in await _turns(ca, name):
        if turn.due_ms > clock.now_ms() or not ca.vault.is_operational:
            break
        try:
            await _on_record(ca, "ca.crl", partial(_publish, ca, turn))
        except ServiceError as error:
            refused = refused or ServiceError(error.code, f"{turn}: {error.detail}")
    if refused is not None:
        raise refused
    following = await _turns(ca, name)
    to_next = (following[0].due_ms - clock.now_ms()) / 1000 if following else _LOOKING_AGAIN_SECONDS
    return min(to_next, _LOOKING_AGAIN_SECONDS)


async def _turns(ca: Certification, name: str) -> list[Turn]:
    return await ca.reader.run(partial(turns, ca=ca.authority(name).table))


async def _publish(ca: Certification, turn: Turn, trail: Trail) -> None:
    await publish_crl(ca, turn.scope, trail, is_scheduled=True, delta=turn.is_delta)


async def _sweep(ca: Certification) -> float:
    before = clock.now_ms() - _GIVEN_UP_MS
    given_up = await ca.store.run(partial(certificates.abandon_before, ms=before))
    if given_up:
        LOG.warning("%d prepared certificates were not signed in time, and are given up", given_up)
    return _SWEEPING_SECONDS


async def _on_record(
    ca: Certification, operation: str, publish: Callable[[Trail], Awaitable[object]]
) -> None:
    trail = Trail(operation, request_id=uuid4().hex, caller=APPLIANCE)
    async with recorded(ca.audit, trail):
        await publish(trail)
