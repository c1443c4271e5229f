"""The table of CRLs, and what belongs on each: complete, of a partition, and delta (RFC 5280, 5).

A CRL is begun, which gives it the next number of its scope and says what belongs on it; its entries
are read, perhaps elsewhere; once signed it is published. One that is never published leaves a
gap in the numbers. An entry that changes while they are read is on this CRL, and on the next delta.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    TextClause,
    and_,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from tmsd.store.certificates import Refusal, Revocation, to_revocation
from tmsd.store.tables import AUTHORITIES, CERTIFICATES, CRLS, HAS_CHANGED, IS_REVOKED

WHOLE = -1
"""The partition of CRLs that have all certificates of a CA."""

CHUNK = 5000
_COLUMNS = CRLS.c
_ENTRIES = CERTIFICATES.c
_END = (_ENTRIES.not_after_ms, _ENTRIES.serial)


class NoBase(Refusal):
    """A delta CRL needs a complete one of the same scope to start from."""


class NotBegun(Refusal):
    """There is no such CRL, or it is published already."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What CRLs of one sequence of numbers are about: a CA, or a partition of it."""

    ca: str
    partition: int = WHOLE


@dataclass(frozen=True, slots=True)
class Begun:
    """A CRL that is to be signed. Times are milliseconds of Unix time.

    Attributes:
        number: the CRL number (section 5.2.3).
        base: the number of the CRL that this is the delta of (section 5.2.4), or None.
        since: changes after this one belong on it in any case.
        unexpired_ms: those revoked belong on it that end at this time or later; None for a delta.
    """

    scope: Scope
    number: int
    base: int | None
    this_update_ms: int
    next_update_ms: int
    since: int
    unexpired_ms: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate on a CRL; without a revocation it is to be removed from it (removeFromCRL)."""

    serial: bytes
    revocation: Revocation | None


@dataclass(frozen=True, slots=True)
class Published:
    """A CRL as everybody may have it."""

    number: int
    this_update_ms: int
    next_update_ms: int
    der: bytes


def partition_of(serial: bytes, partitions: int) -> int:
    """Return in which of so many partitions a certificate is, from its random serial number.

    It is decided once, when a certificate is prepared, as the certificate names its CRL.
    """
    return int.from_bytes(serial[:8]) % partitions


def begin(
    connection: Connection,
    scope: Scope,
    this_update_ms: int,
    next_update_ms: int,
    *,
    is_scheduled: bool,
) -> Begun:
    """Begin a complete CRL.

    A certificate that has ended stays on until it was on a regularly scheduled CRL of after its end
    (section 3.3); CRLs on demand do not count.
    """
    before = _latest(connection, scope, _COLUMNS.base.is_(None), _COLUMNS.is_scheduled)
    begun = Begun(
        scope,
        number=_next_number(connection, scope),
        base=None,
        this_update_ms=this_update_ms,
        next_update_ms=next_update_ms,
        since=before.changes if before else 0,
        unexpired_ms=before.this_update_ms if before else 0,
    )
    _insert(connection, begun, is_scheduled=is_scheduled)
    return begun


def begin_delta(
    connection: Connection, scope: Scope, this_update_ms: int, next_update_ms: int
) -> Begun:
    """Begin a CRL of what has changed since the latest complete one.

    Raises:
        NoBase: there is none.
    """
    base = _latest(connection, scope, _COLUMNS.base.is_(None))
    if base is None:
        raise NoBase
    begun = Begun(
        scope,
        number=_next_number(connection, scope),
        base=base.number,
        this_update_ms=this_update_ms,
        next_update_ms=next_update_ms,
        since=base.changes,
        unexpired_ms=None,
    )
    _insert(connection, begun, is_scheduled=False)
    return begun


def entries(connection: Connection, begun: Begun) -> Iterator[Sequence[Entry]]:
    """Yield what belongs on a CRL, 5,000 entries at a time, each certificate once."""
    if begun.unexpired_ms is None:
        yield from _changed(connection, begun)
        return
    query = _select(begun.scope).where(IS_REVOKED).order_by(*_END).limit(CHUNK)
    after = (begun.unexpired_ms, b"")
    while rows := connection.execute(query.where(tuple_(*_END) > tuple_(*after))).all():
        yield _to_entries(rows)
        after = (rows[-1].not_after_ms, rows[-1].serial)
    has_ended = _ENTRIES.not_after_ms < begun.unexpired_ms
    yield from _changed(connection, begun, IS_REVOKED, has_ended)


def publish(connection: Connection, scope: Scope, number: int, der: bytes) -> None:
    """Record a signed CRL, and drop those that nothing depends on any longer.

    Raises:
        NotBegun: there is no such CRL, or it has been published.
    """
    done = connection.execute(
        update(CRLS)
        .where(_of(scope), _COLUMNS.number == number, _COLUMNS.der.is_(None))
        .values(der=der)
    )
    if done.rowcount != 1:
        raise NotBegun
    kept = _latest(connection, scope, _COLUMNS.base.is_(None), _COLUMNS.is_scheduled)
    if kept is not None:
        connection.execute(delete(CRLS).where(_of(scope), _COLUMNS.number < kept.number))


def latest(connection: Connection, scope: Scope) -> Published | None:
    """Return the published complete CRL of the highest number."""
    return _published(connection, _latest(connection, scope, _COLUMNS.base.is_(None)))


def latest_number(connection: Connection, scope: Scope, *, is_delta: bool) -> int | None:
    """Return the number of what `latest`, or `latest_delta`, would return; it costs little."""
    if not is_delta:
        newest = _latest(connection, scope, _COLUMNS.base.is_(None))
        return newest.number if newest else None
    newest = _latest(connection, scope)
    return newest.number if newest and newest.base is not None else None


def latest_delta(connection: Connection, scope: Scope) -> Published | None:
    """Return the published delta CRL of the highest number, unless a complete one is newer."""
    newest = _latest(connection, scope)
    return _published(connection, newest) if newest and newest.base is not None else None


def _changed(
    connection: Connection, begun: Begun, *conditions: ColumnElement[bool] | TextClause
) -> Iterator[Sequence[Entry]]:
    query = _select(begun.scope).where(HAS_CHANGED, *conditions).order_by(_ENTRIES.changed)
    after = begun.since
    while rows := connection.execute(query.where(_ENTRIES.changed > after).limit(CHUNK)).all():
        yield _to_entries(rows)
        after = rows[-1].changed


def _select(scope: Scope) -> Select[*tuple[object, ...]]:
    query: Select[*tuple[object, ...]] = select(
        _ENTRIES.serial,
        _ENTRIES.not_after_ms,
        _ENTRIES.revoked_ms,
        _ENTRIES.reason,
        _ENTRIES.invalidity_ms,
        _ENTRIES.changed,
    ).where(_ENTRIES.ca == scope.ca)
    return query if scope.partition == WHOLE else query.where(_ENTRIES.partition == scope.partition)


def _to_entries(rows: Sequence[Row[*tuple[object, ...]]]) -> list[Entry]:
    return [Entry(row.serial, to_revocation(row)) for row in rows]


def _of(scope: Scope) -> ColumnElement[bool]:
    return and_(_COLUMNS.ca == scope.ca, _COLUMNS.partition == scope.partition)


def _next_number(connection: Connection, scope: Scope) -> int:
    query = select(func.max(_COLUMNS.number)).where(_of(scope))
    return (connection.execute(query).scalar() or 0) + 1


def _insert(connection: Connection, begun: Begun, *, is_scheduled: bool) -> None:
    changes = select(AUTHORITIES.c.changes).where(AUTHORITIES.c.name == begun.scope.ca)
    connection.execute(
        insert(CRLS).values(
            ca=begun.scope.ca,
            partition=begun.scope.partition,
            number=begun.number,
            base=begun.base,
            is_scheduled=is_scheduled,
            changes=connection.execute(changes).scalar_one(),
            this_update_ms=begun.this_update_ms,
            next_update_ms=begun.next_update_ms,
        )
    )


def _latest(
    connection: Connection, scope: Scope, *conditions: ColumnElement[bool]
) -> Row[*tuple[object, ...]] | None:
    """Return the published CRL of the highest number, without its DER, which can be megabytes."""
    return connection.execute(
        select(*(column for column in _COLUMNS if column is not _COLUMNS.der))
        .where(_of(scope), _COLUMNS.der.is_not(None), *conditions)
        .order_by(_COLUMNS.number.desc())
        .limit(1)
    ).one_or_none()


def _published(connection: Connection, row: Row[*tuple[object, ...]] | None) -> Published | None:
    if row is None:
        return None
    scope = Scope(row.ca, row.partition)
    query = select(_COLUMNS.der).where(_of(scope), _COLUMNS.number == row.number)
    der = connection.execute(query).scalar_one()
    return Published(row.number, row.this_update_ms, row.next_update_ms, der)
