"""Publishing: CRLs and OCSP answers, signed before anybody asks, and again before they run out."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.ca.service import Certification
from tmsd.config.callers import APPLIANCE
from tmsd.config.cas import Ca
from tmsd.errors import Code, ServiceError
from tmsd.store import certificates, crl_entries, crls, ocsp_answers
from tmsd.store.crl_entries import Entry
from tmsd.store.crls import Begun, Published, Scope
from tmsd.store.ocsp_answers import Due, Signed
from tmsd.vault.certificate_messages import (
    MAX_CRL_ENTRIES,
    MAX_STATUSES,
    SignCrl,
    SignedStatuses,
    SignStatuses,
    Status,
)
from tmsd.vault.revoked_entries import RevokedEntry, pack
from tmsd.x509.distribution import WHOLE

LOG = logging.getLogger(__name__)

REMOVED = "removeFromCRL"
LARGEST_GIVEN = 4 << 20
"""Bytes of a CRL that goes into one answer."""


async def publish_crl(
    ca: Certification,
    scope: Scope,
    trail: Trail,
    *,
    is_scheduled: bool = False,
    delta: bool = False,
) -> Published:
    """Sign a CRL of the present, and publish it.

    Args:
        ca: the service.
        scope: of a CA, or of a partition.
        trail: the record.
        is_scheduled: whether it is one of those that come by themselves.
        delta: whether it tells what has changed since a complete one.

    Raises:
        ServiceError: `ca-unknown`, `key-missing`; `crl-unknown`, where there is no such partition,
            or a delta has no complete one to start from; `request-invalid`, where it would have
            more entries than a CRL has; `status-conflict`, where a later one was published
            meanwhile; or the HSM or the store cannot be used.
    """
    authority = ca.authority(scope.ca)
    trail.details |= {"ca": scope.ca, "delta": delta}
    if scope.partition != WHOLE:
        trail.details["partition"] = scope.partition
    now = clock.now_ms()
    lasts_ms = authority.table.crl_lasts(is_delta=delta) // timedelta(milliseconds=1)
    begin = partial(
        crls.begin_delta if delta else partial(crls.begin, is_scheduled=is_scheduled),
        scope=scope,
        this_update_ms=now,
        next_update_ms=now + lasts_ms,
    )
    begun: Begun = await ca.store.run(partial(_begin, ca=authority.table, scope=scope, begin=begin))
    trail.details["crl_number"] = begun.number
    # A million entries take seconds to read: beside the writer, whom others wait for.
    packed = await ca.reader.run(partial(_packed, begun=begun))
    signed = await ca.ask(_question(begun, packed), trail)
    await ca.store.run(partial(_publish, begun=begun, der=signed.crl))
    LOG.info("CRL %d of %s is published", begun.number, scope)
    return Published(begun.number, begun.this_update_ms, begun.next_update_ms, signed.crl)


async def latest_crl(ca: Certification, name: str, trail: Trail) -> Published:
    """Return the complete CRL that was published last.

    Raises:
        ServiceError: `ca-unknown`, `crl-unknown`, `store-unavailable`; `crl-too-large`, where it is
            one that a responder hands out in parts, and that nobody is to have in memory for each
            who asks.
    """
    table = ca.authority(name).table
    trail.details["ca"] = name
    length = await ca.reader.run(partial(crls.latest_length, scope=Scope(name)))
    if length is not None and length > LARGEST_GIVEN:
        place = table.crl_url or "the responder"
        raise ServiceError(
            Code.CRL_TOO_LARGE, f"the CRL of {name} has {length} bytes: get it from {place}"
        )
    latest = await ca.reader.run(partial(crls.latest, scope=Scope(name)))
    if latest is None:
        wanted = "has signed no CRL yet" if table.crl_whole else "has CRLs of partitions alone"
        raise ServiceError(Code.CRL_UNKNOWN, f"{name} {wanted}")
    trail.details["crl_number"] = latest.number
    return latest


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


def _begin(connection: Connection, ca: Ca, scope: Scope, begin: "partial[Begun]") -> Begun:
    partition = scope.partition
    if partition not in (WHOLE, *ca.partitions) and (
        certificates.last_end(connection, ca.name, partition) is None
    ):
        known = f"the partitions 1 to {ca.crl_partitions}" if ca.partitions else "no partitions"
        raise ServiceError(Code.CRL_UNKNOWN, f"{ca.name} has {known}, and no {partition}")
    certificates.open_authority(connection, ca.name)
    try:
        return begin(connection)
    except crls.NoBase:
        raise ServiceError(
            Code.CRL_UNKNOWN, f"there is no complete CRL of {scope} that a delta could start from"
        ) from None


def _packed(connection: Connection, begun: Begun) -> bytes:
    """Return the entries of a CRL as they are packed for the worker."""
    may_be_too_long = begun.changes > MAX_CRL_ENTRIES
    if may_be_too_long and crl_entries.count(connection, begun) > MAX_CRL_ENTRIES:
        raise ServiceError(
            Code.REQUEST_INVALID,
            f"it would have more than {MAX_CRL_ENTRIES} entries: have more partitions"
            " (crl_partitions), and no whole CRL (crl_whole = false)",
        )
    return b"".join(
        pack(_entry(entry, begun.this_update_ms) for entry in chunk)
        for chunk in crl_entries.entries(connection, begun)
    )


def _question(begun: Begun, packed: bytes) -> SignCrl:
    return SignCrl(
        caller=APPLIANCE,
        ca=begun.scope.ca,
        partition=begun.scope.partition,
        number=begun.number,
        base_number=begun.base.number if begun.base else None,
        entries=packed,
    )


def _publish(connection: Connection, begun: Begun, der: bytes) -> None:
    try:
        crls.publish(connection, begun.scope, begun.number, der, clock.now_ms())
    except crls.NotBegun:
        raise ServiceError(
            Code.STATUS_CONFLICT, f"a later CRL than number {begun.number} was published meanwhile"
        ) from None


def _entry(entry: Entry, now_ms: int) -> RevokedEntry:
    """Return what a CRL says of a certificate.

    A clock may have been ahead when it was revoked, another node's or this one's before it was
    set right. What is not of the past would be refused, and the CRL with it.
    """
    serial, revoked_ms, reason, invalid_ms = entry
    if revoked_ms is None or reason is None:
        return RevokedEntry(serial, now_ms // 1000, REMOVED)
    revoked_ms = min(revoked_ms, now_ms)
    invalid_since = None if invalid_ms is None else min(invalid_ms, revoked_ms) // 1000
    return RevokedEntry(serial, revoked_ms // 1000, reason, invalid_since)


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
