"""Publishing: CRLs and OCSP answers, signed before anybody asks, and again before they run out."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.ca.service import Certification
from tmsd.config.callers import APPLIANCE
from tmsd.errors import Code, ServiceError
from tmsd.store import certificates, crls, ocsp_answers
from tmsd.store.crls import Begun, Published, Scope
from tmsd.store.ocsp_answers import Due, Signed
from tmsd.vault.messages import MAX_STATUSES, SignCrl, SignedStatuses, SignStatuses, Status
from tmsd.vault.revoked_entries import RevokedEntry, pack

LOG = logging.getLogger(__name__)

_HOUR_MS = 3_600_000
REMOVED = "removeFromCRL"


async def publish_crl(
    ca: Certification, name: str, trail: Trail, *, is_scheduled: bool = False, delta: bool = False
) -> Published:
    """Sign a CRL of the present, and publish it.

    Args:
        ca: the service.
        name: of the CA.
        trail: the record.
        is_scheduled: whether it is one of those that come by themselves.
        delta: whether it tells what has changed since the last complete one.

    Raises:
        ServiceError: `ca-unknown`, `key-missing`; or the HSM or the store cannot be used.
    """
    authority = ca.authority(name)
    trail.details |= {"ca": name, "delta": delta}
    now = clock.now_ms()
    good_until = now + authority.table.crl_hours * _HOUR_MS
    begin: Callable[..., Begun] = (
        crls.begin_delta if delta else partial(crls.begin, is_scheduled=is_scheduled)
    )
    begun, packed = await ca.store.run(
        partial(
            _begin,
            name,
            partial(begin, scope=Scope(name), this_update_ms=now, next_update_ms=good_until),
        )
    )
    trail.details |= {"crl_number": begun.number}
    request = SignCrl(APPLIANCE, name, begun.number, begun.base, packed)
    signed = await ca.ask(request, trail)
    publish = partial(crls.publish, scope=begun.scope, number=begun.number, der=signed.crl)
    await ca.store.run(publish)
    LOG.info("CRL %d of %s is published", begun.number, name)
    return Published(begun.number, begun.this_update_ms, begun.next_update_ms, signed.crl)


async def latest_crl(ca: Certification, name: str, trail: Trail) -> Published:
    """Return the complete CRL that was published last.

    Raises:
        ServiceError: `ca-unknown`, `crl-unknown`, `store-unavailable`.
    """
    ca.authority(name)
    trail.details["ca"] = name
    latest = await ca.store.run(partial(crls.latest, scope=Scope(name)))
    if latest is None:
        raise ServiceError(Code.CRL_UNKNOWN, f"{name} has signed no CRL yet")
    trail.details["crl_number"] = latest.number
    return latest


async def has_due(ca: Certification, name: str) -> bool:
    """Say whether an OCSP answer of a CA is due.

    Raises:
        ServiceError: `store-unavailable`.
    """
    due = partial(ocsp_answers.due, ca=name, now_ms=clock.now_ms(), most=1)
    return bool(await ca.store.run(due))


async def answer_due(ca: Certification, name: str, trail: Trail) -> int:
    """Sign the OCSP answers of a CA that are due, some at once; return how many they were.

    Raises:
        ServiceError: `ca-unknown`, `key-missing`; or the HSM or the store cannot be used.
    """
    authority = ca.authority(name)
    if authority.table.ocsp is None:
        return 0
    due = await ca.store.run(
        partial(ocsp_answers.due, ca=name, now_ms=clock.now_ms(), most=MAX_STATUSES)
    )
    if not due:
        return 0
    signed = await ca.ask(SignStatuses(APPLIANCE, name, list(map(_status, due))), trail)
    answers = _answers(due, signed)
    await ca.store.run(partial(ocsp_answers.record, ca=name, answers=answers))
    return len(due)


def _begin(
    ca: str, begin: Callable[[Connection], Begun], connection: Connection
) -> tuple[Begun, bytes]:
    """Begin a CRL, and return it with its entries as they are packed for the worker."""
    certificates.open_authority(connection, ca)
    begun = begin(connection)
    packed = b"".join(
        pack(_entry(entry, begun.this_update_ms) for entry in chunk)
        for chunk in crls.entries(connection, begun)
    )
    return begun, packed


def _entry(entry: crls.Entry, now_ms: int) -> RevokedEntry:
    revocation = entry.revocation
    if revocation is None:
        return RevokedEntry(entry.serial, now_ms // 1000, REMOVED)
    invalid = revocation.invalidity_ms
    return RevokedEntry(
        serial_number=entry.serial,
        revoked_at=revocation.revoked_ms // 1000,
        reason=revocation.reason.value,
        invalid_since=None if invalid is None else invalid // 1000,
    )


def _status(due: Due) -> Status:
    revocation = due.revocation
    if revocation is None:
        return Status(due.serial)
    return Status(due.serial, revocation.revoked_ms // 1000, revocation.reason.value)


def _answers(due: Sequence[Due], told: SignedStatuses) -> list[Signed]:
    """Return the answers as the store has them; each is signed anew at half of its time."""
    this_update_ms, next_update_ms = told.this_update * 1000, told.next_update * 1000
    half_way = (this_update_ms + next_update_ms) // 2
    return [
        Signed(
            serial=each.serial,
            changed=each.changed,
            this_update_ms=this_update_ms,
            next_update_ms=next_update_ms,
            der=by_sha1,
            next_due_ms=None if half_way > each.not_after_ms else half_way,
        )
        for each, by_sha1 in zip(due, told.by_sha1, strict=True)
    ]
