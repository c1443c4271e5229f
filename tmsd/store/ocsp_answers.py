"""The table of OCSP answers, signed before anybody asks (RFC 6960, RFC 5019).

Each certificate that was issued has a row, which says when its next answer is due: at once when its
revocation has changed, before those that are new, before those whose answer grows old.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, select, update

from tmsd.store.certificates import Revocation, to_revocation
from tmsd.store.tables import CERTIFICATES, IS_DUE, OCSP_ANSWERS

_CERTIFICATES, _ANSWERS = CERTIFICATES.c, OCSP_ANSWERS.c
_SAME = and_(_CERTIFICATES.ca == _ANSWERS.ca, _CERTIFICATES.serial == _ANSWERS.serial)
# Made once, as making it takes many times as long as running it.
_OF_SERIALS = (
    select(
        _ANSWERS.serial,
        _ANSWERS.der,
        _ANSWERS.der_sha256,
        (_ANSWERS.changed == _CERTIFICATES.changed).label("is_current"),
    )
    .select_from(OCSP_ANSWERS.join(CERTIFICATES, _SAME))
    .where(
        _ANSWERS.ca == bindparam("ca"),
        _ANSWERS.serial.in_(bindparam("serials", expanding=True)),
    )
)


@dataclass(frozen=True, slots=True)
class Due:
    """A certificate whose answer is to be signed.

    Attributes:
        serial: 16 bytes.
        revocation: what the answer has to say; None for good.
        changed: which change of the CA's it speaks of.
        not_after_ms: when the certificate ends, in milliseconds of Unix time.
    """

    serial: bytes
    revocation: Revocation | None
    changed: int
    not_after_ms: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed answer. Times are milliseconds of Unix time.

    Attributes:
        serial: 16 bytes.
        changed: as it was when this was due.
        der: for certIDs by SHA-1 (RFC 5019, section 2.1.1), of 1 to 65,536 bytes.
        next_due_ms: when it is to be signed again; None for never, as the certificate has ended.
        der_sha256: the same for certIDs by SHA-256; None where none was signed.
    """

    serial: bytes
    changed: int
    this_update_ms: int
    next_update_ms: int
    der: bytes
    next_due_ms: int | None
    der_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as everybody may have it.

    Attributes:
        der: for certIDs by SHA-1; None where none has been signed yet.
        is_current: whether it speaks of the latest change of the certificate's revocation.
        der_sha256: for certIDs by SHA-256; None where none was signed.
    """

    der: bytes | None
    is_current: bool
    der_sha256: bytes | None = None


def due(connection: Connection, ca: str, now_ms: int, most: int) -> list[Due]:
    """Return the certificates of a CA whose answers are due, `most` at once, changed ones first."""
    rows = connection.execute(
        select(
            _CERTIFICATES.serial,
            _CERTIFICATES.revoked_ms,
            _CERTIFICATES.reason,
            _CERTIFICATES.invalidity_ms,
            _CERTIFICATES.changed,
            _CERTIFICATES.not_after_ms,
        )
        .select_from(OCSP_ANSWERS.join(CERTIFICATES, _SAME))
        .where(IS_DUE, _ANSWERS.ca == ca, _ANSWERS.due_ms <= now_ms)
        .order_by(_ANSWERS.due_ms, _ANSWERS.serial)
        .limit(most)
    )
    return [Due(row.serial, to_revocation(row), row.changed, row.not_after_ms) for row in rows]


def record(connection: Connection, ca: str, answers: Sequence[Signed]) -> int:
    """Record signed answers; return how many.

    One whose certificate has changed while it was signed is left out, and stays due.
    """
    return sum(_record(connection, ca, signed) for signed in answers)


def _record(connection: Connection, ca: str, signed: Signed) -> int:
    of_it = and_(_CERTIFICATES.ca == ca, _CERTIFICATES.serial == signed.serial)
    changed = select(_CERTIFICATES.changed).where(of_it).scalar_subquery()
    return connection.execute(
        update(OCSP_ANSWERS)
        .where(_ANSWERS.ca == ca, _ANSWERS.serial == signed.serial, changed == signed.changed)
        .values(
            due_ms=signed.next_due_ms,
            changed=signed.changed,
            this_update_ms=signed.this_update_ms,
            next_update_ms=signed.next_update_ms,
            der=signed.der,
            der_sha256=signed.der_sha256,
        )
    ).rowcount


def find(connection: Connection, ca: str, serial: bytes) -> Answer | None:
    """Return the answer for a certificate; None where there is none, as it was never issued."""
    return find_all(connection, ca, [serial]).get(serial)


def find_all(connection: Connection, ca: str, serials: Collection[bytes]) -> dict[bytes, Answer]:
    """Return the answers for certificates that were issued, by their serial numbers."""
    rows = connection.execute(_OF_SERIALS, {"ca": ca, "serials": tuple(serials)})
    return {row.serial: Answer(row.der, bool(row.is_current), row.der_sha256) for row in rows}
