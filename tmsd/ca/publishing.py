"""Publishing: CRLs and OCSP answers, signed before anybody asks, and again before they run out."""

import logging
from collections.abc import Sequence
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
from tmsd.vault.certificate_messages import (
    MAX_STATUSES,
    SignCrl,
    SignedStatuses,
    SignStatuses,
    Status,
)
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
        ServiceError: `ca-unknown`, `key-missing`; `crl-unknown`, where a delta has no complete
            one to start from; `status-conflict`, where a later one was published meanwhile; or
            the HSM or the store cannot be used.
    """
    authority = ca.authority(name)
    trail.details |= {"ca": name, "delta": delta}
    now = clock.now_ms()
    good_until = now + authority.table.crl_hours * _HOUR_MS
    begin = partial(
        crls.begin_delta if delta else partial(crls.begin, is_scheduled=is_scheduled),
        scope=Scope(name),
        this_update_ms=now,
        next_update_ms=good_until,
    )
    begun: Begun = await ca.store.run(partial(_begin, ca=name, begin=begin))
    trail.details |= {"crl_number": begun.number}
    # A million entries take seconds to read: beside the writer, whom others wait for.
    packed = await ca.reader.run(partial(_packed, begun=begun))
    signed = await ca.ask(SignCrl(APPLIANCE, name, begun.number, begun.base, packed), trail)
    await ca.store.run(partial(_publish, begun=begun, der=signed.crl))
    LOG.info("CRL %d of %s is published", begun.number, name)
    return Published(begun.number, begun.this_update_ms, begun.next_update_ms, signed.crl)


async def latest_crl(ca: Certification, name: str, trail: Trail) -> Published:
    """Return the complete CRL that was published last.

    Raises:
        ServiceError: `ca-unknown`, `crl-unknown`, `store-unavailable`.
    """
    ca.authority(name)
    trail.details["ca"] = name
    latest = await ca.reader.run(partial(crls.latest, scope=Scope(name)))
    if latest is None:
        raise ServiceError(Code.CRL_UNKNOWN, f"{name} has signed no CRL yet")
    trail.details["crl_number"] = latest.number
    return latest


async def crl_due_ms(ca: Certification, name: str) -> int:
    """Return when a CA's next CRL has to be signed, in ms of Unix time.

    That is at half of the time of the last one; 0 where there is none.

    Raises:
        ServiceError: `store-unavailable`.
    """
    latest = await ca.reader.run(partial(crls.latest, scope=Scope(name)))
    return 0 if latest is None else (latest.this_update_ms + latest.next_update_ms) // 2


async def answers_due(ca: Certification, name: str) -> list[Due]:
    """Return the certificates of a CA whose OCSP answers are due, as many as are signed at once.

    Raises:
        ServiceError: `store-unavailable`.
    """
    due = partial(ocsp_answers.due, ca=name, now_ms=clock.now_ms(), most=MAX_STATUSES)
    return await ca.reader.run(due)


async def answer_due(ca: Certification, name: str, trail: Trail) -> int:
    """Sign the OCSP answers of a CA that are due, some at once; return how many they were.

    Raises:
        ServiceError: `ca-unknown`, `key-missing`; or the HSM or the store cannot be used.
    """
    authority = ca.authority(name)
    if authority.table.ocsp is None or not (due := await answers_due(ca, name)):
        return 0
    trail.details |= {"ca": name, "answers": len(due)}
    now = clock.now_ms()
    statuses = [_status(each, now) for each in due]
    signed = await ca.ask(SignStatuses(APPLIANCE, name, statuses), trail)
    await ca.store.run(partial(ocsp_answers.record, ca=name, answers=_answers(due, signed)))
    return len(due)


def _begin(connection: Connection, ca: str, begin: "partial[Begun]") -> Begun:
    certificates.open_authority(connection, ca)
    try:
        return begin(connection)
    except crls.NoBase:
        raise ServiceError(
            Code.CRL_UNKNOWN, f"{ca} has signed no complete CRL that a delta could start from"
        ) from None


def _packed(connection: Connection, begun: Begun) -> bytes:
    """Return the entries of a CRL as they are packed for the worker."""
    return b"".join(
        pack(_entry(entry, begun.this_update_ms) for entry in chunk)
        for chunk in crls.entries(connection, begun)
    )


def _publish(connection: Connection, begun: Begun, der: bytes) -> None:
    try:
        crls.publish(connection, begun.scope, begun.number, der)
    except crls.NotBegun:
        raise ServiceError(
            Code.STATUS_CONFLICT, f"a later CRL than number {begun.number} was published meanwhile"
        ) from None


def _entry(entry: crls.Entry, now_ms: int) -> RevokedEntry:
    """Return what a CRL says of a certificate.

    A clock may have been ahead when it was revoked, another node's or this one's before it was
    set right. What is not of the past would be refused, and the CRL with it.
    """
    revocation = entry.revocation
    if revocation is None:
        return RevokedEntry(entry.serial, now_ms // 1000, REMOVED)
    revoked_ms = min(revocation.revoked_ms, now_ms)
    invalid_ms = revocation.invalidity_ms
    return RevokedEntry(
        serial_number=entry.serial,
        revoked_at=revoked_ms // 1000,
        reason=revocation.reason.value,
        invalid_since=None if invalid_ms is None else min(invalid_ms, revoked_ms) // 1000,
    )


def _status(due: Due, now_ms: int) -> Status:
    revocation = due.revocation
    if revocation is None:
        return Status(due.serial)
    revoked_ms = min(revocation.revoked_ms, now_ms)
    return Status(due.serial, revoked_ms // 1000, revocation.reason.value)


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
            der_sha256=by_sha256,
            next_due_ms=None if half_way > each.not_after_ms else half_way,
        )
        for each, by_sha1, by_sha256 in zip(due, told.by_sha1, told.by_sha256, strict=True)
    ]
