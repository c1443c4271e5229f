"""What belongs on each CRL: complete, of a partition, and delta (RFC 5280, 3.3 and 5.2.4)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select, tuple_

from tmsd.store.certificates import Reason, Revocation
from tmsd.store.crls import Base, Begun, Extent, Scope
from tmsd.store.tables import CERTIFICATES, HAS_CHANGED, IS_REVOKED
from tmsd.x509.distribution import WHOLE

CHUNK = 5000
_COLUMNS = CERTIFICATES.c
_END = (_COLUMNS.not_after_ms, _COLUMNS.serial)

_Row = Row[*tuple[object, ...]]
_Query = Select[*tuple[object, ...]]


class Entry(NamedTuple):
    """A certificate on a CRL, of which there can be a million; times in ms of Unix time.

    One that has been revoked at no time is to be removed from it (removeFromCRL).
    """

    serial: bytes
    revoked_ms: int | None
    reason: str | None
    invalidity_ms: int | None

    @property
    def revocation(self) -> Revocation | None:
        """Since when it is revoked, and why."""
        if self.revoked_ms is None or self.reason is None:
            return None
        return Revocation(self.revoked_ms, Reason(self.reason), self.invalidity_ms)


# A row begins with them.
_FIELDS = len(Entry._fields)


def count(connection: Connection, begun: Begun) -> int:
    """Return how many entries a CRL has, but for certificates that have ended.

    It takes a third of the time of reading them.
    """
    if begun.base is None:
        conditions = (IS_REVOKED, _COLUMNS.not_after_ms >= begun.extent.unexpired_ms)
    else:
        conditions = (HAS_CHANGED, _COLUMNS.changed > begun.base.changes)
    query = select(func.count()).select_from(CERTIFICATES)
    return connection.execute(query.where(_within(begun.scope), *conditions)).scalar_one()


def entries(connection: Connection, begun: Begun) -> Iterator[Sequence[Entry]]:
    """Yield what belongs on a CRL, 5,000 entries at a time at most, each certificate once.

    A delta together with the CRL that it starts from, or with any later one that is complete, has
    what a complete one would have that was begun in its place.
    """
    scope, extent, base = begun.scope, begun.extent, begun.base
    if base is None:
        for rows in _ending(connection, scope, extent.unexpired_ms):
            yield [_entry(row) for row in rows]
        has_ended = and_(IS_REVOKED, _COLUMNS.not_after_ms < extent.unexpired_ms)
        for rows in _changing(connection, scope, extent.since, has_ended):
            yield [_entry(row) for row in rows]
        return
    for rows in _changing(connection, scope, base.changes):
        yield [_entry(row) if _is_on(extent, row) else _removed(row) for row in rows]
    for rows in _that_left(connection, scope, extent, base):
        yield [_removed(row) for row in rows]


def _that_left(
    connection: Connection, scope: Scope, extent: Extent, base: Base
) -> Iterator[Sequence[_Row]]:
    """Yield certificates that the base has, and that have ended and been on a CRL of after that."""
    last = min(extent.since, base.changes)
    was_before = _COLUMNS.changed <= last
    until = _COLUMNS.not_after_ms < extent.unexpired_ms
    yield from _ending(connection, scope, base.extent.unexpired_ms, until, was_before)
    had_ended = and_(IS_REVOKED, _COLUMNS.not_after_ms < base.extent.unexpired_ms)
    yield from _changing(connection, scope, base.extent.since, had_ended, until, was_before)


def _is_on(extent: Extent, row: _Row) -> bool:
    return bool(row.not_after_ms >= extent.unexpired_ms or row.changed > extent.since)


def _ending(
    connection: Connection, scope: Scope, from_ms: int, *conditions: ColumnElement[bool]
) -> Iterator[Sequence[_Row]]:
    """Yield revoked certificates that end at a time or later."""
    query = _select(scope).where(IS_REVOKED, *conditions).order_by(*_END).limit(CHUNK)
    after = (from_ms, b"")
    while rows := connection.execute(query.where(tuple_(*_END) > tuple_(*after))).all():
        yield rows
        after = (rows[-1].not_after_ms, rows[-1].serial)


def _changing(
    connection: Connection, scope: Scope, after: int, *conditions: ColumnElement[bool]
) -> Iterator[Sequence[_Row]]:
    """Yield certificates whose revocation was changed after a change."""
    query = _select(scope).where(HAS_CHANGED, *conditions).order_by(_COLUMNS.changed).limit(CHUNK)
    while rows := connection.execute(query.where(_COLUMNS.changed > after)).all():
        yield rows
        after = rows[-1].changed


def _select(scope: Scope) -> _Query:
    return select(
        *(_COLUMNS.serial, _COLUMNS.revoked_ms, _COLUMNS.reason, _COLUMNS.invalidity_ms),
        *(_COLUMNS.not_after_ms, _COLUMNS.changed),
    ).where(_within(scope))


def _within(scope: Scope) -> ColumnElement[bool]:
    of_ca = _COLUMNS.ca == scope.ca
    return of_ca if scope.partition == WHOLE else and_(of_ca, _COLUMNS.partition == scope.partition)


def _entry(row: _Row) -> Entry:
    return Entry._make(row[:_FIELDS])


def _removed(row: _Row) -> Entry:
    return Entry(row.serial, None, None, None)
