"""Revoking certificates, putting them on hold, and releasing them.

What is revoked is on record before anybody is told, and its new OCSP answer is signed at once
by whoever does the publishing (publishing.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.ca.service import Certification
from tmsd.errors import Code, ServiceError
from tmsd.store import revocation as table
from tmsd.store.certificates import Reason, Revocation, UnknownCertificate
from tmsd.store.revocation import AlreadyRevoked

T = TypeVar("T")

_EARLIEST_MS = 946_684_800_000  # 2000-01-01T00:00:00Z


@dataclass(frozen=True, slots=True)
class Named:
    """A certificate as it is named: by its CA and its serial number, 16 bytes."""

    ca: str
    serial_number: bytes


async def revoke(
    ca: Certification, named: Named, reason: Reason, invalidity_ms: int | None, trail: Trail
) -> Revocation | None:
    """Revoke a certificate for good; return how it was before.

    Args:
        ca: the service.
        named: which certificate.
        reason: why; not `certificateHold`.
        invalidity_ms: from when on it is known or thought to be unsafe, in ms of Unix time.
        trail: the record.

    Raises:
        ServiceError: `ca-unknown`, `certificate-unknown`; `request-invalid`, where it would be
            unsafe from a time on that is still to come; or the store or the audit log cannot be
            used.
    """
    trail.details["reason"] = reason.value
    now = clock.now_ms()
    if invalidity_ms is not None and not _EARLIEST_MS <= invalidity_ms <= now:
        # A CRL says no other date, and would not be signed.
        raise ServiceError(
            Code.REQUEST_INVALID,
            "it must be a time between 2000 and the present",
            pointer="/invalid_since",
        )
    revocation = Revocation(now, reason, invalidity_ms)
    job = partial(table.revoke, ca=named.ca, serial=named.serial_number, revocation=revocation)
    return await _changed(ca, named, job, trail)


async def hold(ca: Certification, named: Named, trail: Trail) -> Revocation | None:
    """Put a certificate on hold; return how it was before.

    Raises:
        ServiceError: as `revoke`; `status-conflict`, where it is revoked for good.
    """
    now = clock.now_ms()
    job = partial(table.hold, ca=named.ca, serial=named.serial_number, since_ms=now)
    return await _changed(ca, named, job, trail)


async def release(ca: Certification, named: Named, trail: Trail) -> Revocation | None:
    """Release a certificate from hold; return how it was before.

    Raises:
        ServiceError: as `hold`.
    """
    job = partial(table.release, ca=named.ca, serial=named.serial_number)
    return await _changed(ca, named, job, trail)


async def _changed(
    ca: Certification, named: Named, job: Callable[[Connection], T], trail: Trail
) -> T:
    ca.authority(named.ca)
    trail.details |= {"ca": named.ca, "serial_number": named.serial_number.hex()}
    await ca.intend(trail, dict(trail.details))
    return await ca.store.run(partial(_run, job))


def _run(job: Callable[[Connection], T], connection: Connection) -> T:
    try:
        return job(connection)
    except UnknownCertificate:
        raise ServiceError(
            Code.CERTIFICATE_UNKNOWN, "the CA has issued no certificate of this serial number"
        ) from None
    except AlreadyRevoked as error:
        raise ServiceError(
            Code.STATUS_CONFLICT, f"the certificate is {error}, and stays so"
        ) from None
