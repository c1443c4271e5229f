"""Revoking certificates: a hold can be released or made final; what is revoked stays revoked.

Each change takes the next number of its CA, by which delta CRLs know what is new
(RFC 5280, section 5.2.4), and makes a new OCSP answer due at once.
"""

from sqlalchemy import Connection, update

from tmsd.store.certificates import (
    Reason,
    Record,
    Refusal,
    Revocation,
    State,
    UnknownCertificate,
    find,
    of,
)
from tmsd.store.tables import AUTHORITIES, CERTIFICATES, OCSP_ANSWERS

# Before everything else that is due.
_AT_ONCE_MS = 0


class AlreadyRevoked(Refusal):
    """The certificate is revoked for good.

    Attributes:
        revocation: since when and why.
    """

    def __init__(self, revocation: Revocation) -> None:
        super().__init__(f"revoked for good: {revocation.reason}")
        self.revocation = revocation


def revoke(
    connection: Connection, ca: str, serial: bytes, revocation: Revocation
) -> Revocation | None:
    """Revoke a certificate for good, or one on hold; return how it was before.

    One that is revoked already stays as it is.

    Raises:
        UnknownCertificate: it was never issued.
        ValueError: the reason is a hold.
    """
    if revocation.reason is Reason.CERTIFICATE_HOLD:
        raise ValueError("a hold is no revocation for good: use hold")
    record = _issued(connection, ca, serial)
    if not _is_final(record.revocation):
        _change(connection, record, revocation)
    return record.revocation


def hold(connection: Connection, ca: str, serial: bytes, since_ms: int) -> Revocation | None:
    """Put a certificate on hold; return how it was before. One on hold stays as it is.

    Raises:
        UnknownCertificate: it was never issued.
        AlreadyRevoked: it is revoked for good.
    """
    record = _issued(connection, ca, serial)
    if record.revocation is None:
        _change(connection, record, Revocation(since_ms, Reason.CERTIFICATE_HOLD))
    elif _is_final(record.revocation):
        raise AlreadyRevoked(record.revocation)
    return record.revocation


def release(connection: Connection, ca: str, serial: bytes) -> Revocation | None:
    """Release a certificate from hold; return how it was before. A good one stays as it is.

    Raises:
        UnknownCertificate: it was never issued.
        AlreadyRevoked: it is revoked for good.
    """
    record = _issued(connection, ca, serial)
    if record.revocation is None:
        return None
    if _is_final(record.revocation):
        raise AlreadyRevoked(record.revocation)
    _change(connection, record, None)
    return record.revocation


def _issued(connection: Connection, ca: str, serial: bytes) -> Record:
    record = find(connection, ca, serial)
    if record is None or record.state is not State.ISSUED:
        raise UnknownCertificate
    return record


def _is_final(revocation: Revocation | None) -> bool:
    return revocation is not None and revocation.reason is not Reason.CERTIFICATE_HOLD


def _change(connection: Connection, record: Record, revocation: Revocation | None) -> None:
    number = connection.execute(
        update(AUTHORITIES)
        .where(AUTHORITIES.c.name == record.ca)
        .values(changes=AUTHORITIES.c.changes + 1)
        .returning(AUTHORITIES.c.changes)
    ).scalar_one()
    connection.execute(
        update(CERTIFICATES)
        .where(of(record.ca, record.serial))
        .values(
            revoked_ms=revocation and revocation.revoked_ms,
            reason=revocation and revocation.reason,
            invalidity_ms=revocation and revocation.invalidity_ms,
            changed=number,
        )
    )
    answers = OCSP_ANSWERS.c
    connection.execute(
        update(OCSP_ANSWERS)
        .where(answers.ca == record.ca, answers.serial == record.serial)
        .values(due_ms=_AT_ONCE_MS)
    )
