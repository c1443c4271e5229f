"""What comes by itself: OCSP answers that are due, CRLs before they run out, and a sweep.

A revocation's new answer is due at once, whoever revoked. What fails is tried again later.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import uuid4

from tmsd import clock
from tmsd.audit.trail import Trail, recorded
from tmsd.ca.publishing import answer_due, has_due, publish_crl
from tmsd.ca.service import Certification
from tmsd.config.callers import APPLIANCE
from tmsd.errors import ServiceError
from tmsd.store import certificates, crls
from tmsd.store.crls import Scope

LOG = logging.getLogger(__name__)

_LOOKING_SECONDS = 0.25
_LONGEST_PAUSE = 30.0
# As long as a prepared certificate can be signed, and a little more.
_GIVEN_UP_MS = 2 * 3_600_000


async def keep(present: Callable[[], Certification]) -> None:
    """Publish until cancelled.

    Args:
        present: gives the service, which a reload replaces.
    """
    crl_due: dict[str, float] = {}
    pause, told = _LOOKING_SECONDS, None
    while True:
        await asyncio.sleep(pause)
        try:
            await _look(present(), crl_due)
        except ServiceError as error:
            if str(error) != told:
                LOG.error("what relying parties read cannot be signed: %s", error)
            told, pause = str(error), min(pause * 2, _LONGEST_PAUSE)
        else:
            if told is not None:
                LOG.warning("what relying parties read can be signed again")
            pause, told = _LOOKING_SECONDS, None


async def _look(ca: Certification, crl_due: dict[str, float]) -> None:
    for name, authority in ca.policy.authorities.by_name.items():
        if authority.table.ocsp is not None:
            while await has_due(ca, name):
                await _on_record(ca, "ca.answer", partial(answer_due, ca, name))
        if clock.now_ms() >= crl_due.get(name, 0):
            crl_due[name] = await _crl_due(ca, name)
            if clock.now_ms() >= crl_due[name]:
                crl = partial(publish_crl, ca, name, is_scheduled=True)
                await _on_record(ca, "ca.crl", crl)
                crl_due[name] = await _crl_due(ca, name)
    before = clock.now_ms() - _GIVEN_UP_MS
    await ca.store.run(partial(certificates.abandon_before, ms=before))


async def _crl_due(ca: Certification, name: str) -> float:
    """Return when the next CRL has to be signed: at half of the time of the last one."""
    latest = await ca.store.run(partial(crls.latest, scope=Scope(name)))
    return 0 if latest is None else (latest.this_update_ms + latest.next_update_ms) / 2


async def _on_record(
    ca: Certification, operation: str, publish: Callable[[Trail], Awaitable[object]]
) -> None:
    trail = Trail(operation, request_id=uuid4().hex, caller=APPLIANCE)
    async with recorded(ca.audit, trail):
        await publish(trail)
