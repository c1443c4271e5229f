"""Searching certificates: page after page, in the order in which they end."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, TextClause, select, tuple_

from tmsd.store.certificates import Reason, Record, State, Status, to_record
from tmsd.store.tables import CERTIFICATES, IS_PREPARED, IS_REVOKED

LONGEST_PAGE = 1000
_COLUMNS = CERTIFICATES.c
_ORDER = (_COLUMNS.not_after_ms, _COLUMNS.serial)

_Conditions = tuple[ColumnElement[bool] | TextClause, ...]
_OF_STATUS: dict[Status, _Conditions] = {
    Status.GOOD: (_COLUMNS.state == State.ISSUED, _COLUMNS.revoked_ms.is_(None)),
    Status.HOLD: (IS_REVOKED, _COLUMNS.reason == Reason.CERTIFICATE_HOLD),
    Status.REVOKED: (IS_REVOKED, _COLUMNS.reason != Reason.CERTIFICATE_HOLD),
    Status.PREPARED: (IS_PREPARED,),
    Status.ABANDONED: (_COLUMNS.state == State.ABANDONED,),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which certificates of a CA are wanted: those that fit all that is said.

    Attributes:
        subject: a part of the subject; the case of ASCII letters does not matter. There is no
            index for it: the certificates that fit the rest are read one by one.
        ends_from_ms, ends_before_ms: when validity ends, in milliseconds of Unix time.
    """

    ca: str
    caller: str | None = None
    profile: str | None = None
    subject: str | None = None
    status: Status | None = None
    ends_from_ms: int | None = None
    ends_before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: what comes after it is the next page, whatever was added meanwhile."""

    not_after_ms: int
    serial: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Some certificates, and where to go on; None at the end."""

    records: tuple[Record, ...]
    next: Position | None


def search(connection: Connection, wanted: Wanted, after: Position | None, most: int) -> Page:
    """Return the next certificates that are wanted, `most` (1 to 1000) of them at once."""
    if not 1 <= most <= LONGEST_PAGE:
        raise ValueError(f"a page has 1 to {LONGEST_PAGE} certificates, not {most}")
    query = select(CERTIFICATES).where(*_conditions(wanted))
    if after is not None:
        query = query.where(tuple_(*_ORDER) > tuple_(after.not_after_ms, after.serial))
    query = query.order_by(*_ORDER).limit(most)
    records = tuple(to_record(row) for row in connection.execute(query))
    if len(records) < most:
        return Page(records, None)
    return Page(records, Position(records[-1].not_after_ms, records[-1].serial))


def _conditions(wanted: Wanted) -> _Conditions:
    conditions: list[ColumnElement[bool] | TextClause] = [_COLUMNS.ca == wanted.ca]
    if wanted.caller is not None:
        conditions.append(_COLUMNS.caller == wanted.caller)
    if wanted.profile is not None:
        conditions.append(_COLUMNS.profile == wanted.profile)
    if wanted.subject is not None:
        conditions.append(_COLUMNS.subject.icontains(wanted.subject, autoescape=True))
    if wanted.status is not None:
        conditions.extend(_OF_STATUS[wanted.status])
    if wanted.ends_from_ms is not None:
        conditions.append(_COLUMNS.not_after_ms >= wanted.ends_from_ms)
    if wanted.ends_before_ms is not None:
        conditions.append(_COLUMNS.not_after_ms < wanted.ends_before_ms)
    return tuple(conditions)
