"""What belongs on each CRL: complete, of a partition, and delta (RFC 5280, 3.3 and 5.2.4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select, tuple_

from tmsd.store.certificates import Revocation, to_revocation
from tmsd.store.crls import Base, Begun, Extent, Scope
from tmsd.store.tables import CERTIFICATES, HAS_CHANGED, IS_REVOKED
from tmsd.x509.distribution import WHOLE

CHUNK = 5000
_COLUMNS = CERTIFICATES.c
_END = (_COLUMNS.not_after_ms, _COLUMNS.serial)

_Row = Row[*tuple[object, ...]]
_Query = Select[*tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate on a CRL; without a revocation it is to be removed from it (removeFromCRL)."""

    serial: bytes
    revocation: Revocation | None


def count(connection: Connection, begun: Begun) -> int:
    """Return how many entries a complete CRL has, but for those of certificates that have ended.

    It is told from an index, and takes no reading of them.
    """
    query = select(func.count()).select_from(CERTIFICATES)
    ends = _COLUMNS.not_after_ms >= begun.extent.unexpired_ms
    return connection.execute(query.where(_within(begun.scope), IS_REVOKED, ends)).scalar_one()


def entries(connection: Connection, begun: Begun) -> Iterator[Sequence[Entry]]:
    """Yield what belongs on a CRL, 5,000 entries at a time at most, each certificate once.

    A delta together with the CRL that it starts from, or with any later one that is complete, has
    what a complete one would have that was begun in its place.
    """
    scope, extent, base = begun.scope, begun.extent, begun.base
    if base is None:
        for rows in _ending(connection, scope, extent.unexpired_ms):
            yield _told(rows)
        has_ended = and_(IS_REVOKED, _COLUMNS.not_after_ms < extent.unexpired_ms)
        for rows in _changing(connection, scope, extent.since, has_ended):
            yield _told(rows)
        return
    for rows in _changing(connection, scope, base.changes):
        yield [Entry(row.serial, _revocation_within(extent, row)) for row in rows]
    for rows in _that_left(connection, scope, extent, base):
        yield [Entry(row.serial, None) for row in rows]


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


def _revocation_within(extent: Extent, row: _Row) -> Revocation | None:
    is_on = row.not_after_ms >= extent.unexpired_ms or row.changed > extent.since
    return to_revocation(row) if is_on else None


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
        *(_COLUMNS.serial, _COLUMNS.not_after_ms, _COLUMNS.changed),
        *(_COLUMNS.revoked_ms, _COLUMNS.reason, _COLUMNS.invalidity_ms),
    ).where(_within(scope))


def _within(scope: Scope) -> ColumnElement[bool]:
    of_ca = _COLUMNS.ca == scope.ca
    return of_ca if scope.partition == WHOLE else and_(of_ca, _COLUMNS.partition == scope.partition)


def _told(rows: Sequence[_Row]) -> list[Entry]:
    return [Entry(row.serial, to_revocation(row)) for row in rows]
