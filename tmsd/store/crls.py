"""The table of CRLs: their numbers, and the newest of each scope (RFC 5280, section 5.2.3).

A CRL is begun, which gives it the next number of its scope and says what belongs on it; its
entries are read (crl_entries.py), perhaps elsewhere; once signed it is published. One that is never
published leaves a gap in the numbers. An entry that changes while they are read is on this CRL, and
on the next delta.

Who holds a complete CRL that is still good can go on by deltas: they start from the oldest such.
"""

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from tmsd.store.certificates import Refusal
from tmsd.store.tables import AUTHORITIES, CRLS
from tmsd.x509.distribution import WHOLE

_COLUMNS = CRLS.c
_IS_COMPLETE = _COLUMNS.base.is_(None)
_IS_PUBLISHED = _COLUMNS.der.is_not(None)
# Of a CRL that is still what deltas start from, and that nobody is given any longer.
_NO_DER = b""
# Whoever began a CRL has given up long before.
_GIVEN_UP_MS = 3_600_000


class NoBase(Refusal):
    """A delta CRL needs a complete one of the same scope to start from."""


class NotBegun(Refusal):
    """There is no such CRL, or it is published already."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What CRLs of one sequence of numbers are about: a CA (`WHOLE`), or a partition of it."""

    ca: str
    partition: int = WHOLE

    def __str__(self) -> str:
        return self.ca if self.partition == WHOLE else f"partition {self.partition} of {self.ca}"


@dataclass(frozen=True, slots=True)
class Extent:
    """Which revoked certificates a complete CRL has (section 3.3).

    One that has ended stays until it was on a regularly scheduled CRL of after its end.

    Attributes:
        unexpired_ms: those that end at this time or later, in ms of Unix time.
        since: and those that changed after this change, whenever they end.
    """

    unexpired_ms: int
    since: int


@dataclass(frozen=True, slots=True)
class Base:
    """The complete CRL that a delta starts from (section 5.2.4).

    Attributes:
        number: its number.
        changes: the last change that is on it in any case.
        extent: which certificates it has.
    """

    number: int
    changes: int
    extent: Extent


@dataclass(frozen=True, slots=True)
class Begun:
    """A CRL that is to be signed. Times are milliseconds of Unix time.

    Attributes:
        number: the CRL number (section 5.2.3).
        changes: how many the CA has had so far; it has no more entries than that.
        extent: which certificates it has, or together with its base would have.
        base: where it starts from; None for a complete one.
    """

    scope: Scope
    number: int
    this_update_ms: int
    next_update_ms: int
    changes: int
    extent: Extent
    base: Base | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A CRL as everybody may have it."""

    number: int
    this_update_ms: int
    next_update_ms: int
    der: bytes


@dataclass(frozen=True, slots=True)
class Times:
    """When a published CRL holds, in ms of Unix time, and whether it came by itself."""

    this_update_ms: int
    next_update_ms: int
    is_scheduled: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest CRLs of a scope; None where there is none."""

    complete: Times | None = None
    delta: Times | None = None


def begin(
    connection: Connection,
    scope: Scope,
    this_update_ms: int,
    next_update_ms: int,
    *,
    is_scheduled: bool,
) -> Begun:
    """Begin a complete CRL; `is_scheduled` is one that comes by itself, and not on demand."""
    begun = Begun(
        scope,
        number=_next_number(connection, scope),
        this_update_ms=this_update_ms,
        next_update_ms=next_update_ms,
        changes=_changes(connection, scope),
        extent=_extent(connection, scope),
    )
    _insert(connection, begun, is_scheduled=is_scheduled)
    return begun


def begin_delta(
    connection: Connection,
    scope: Scope,
    this_update_ms: int,
    next_update_ms: int,
) -> Begun:
    """Begin a CRL of what has changed since the oldest complete one that is still good.

    Raises:
        NoBase: there is no complete one at all.
    """
    base = _base(connection, scope, this_update_ms)
    begun = Begun(
        scope,
        number=_next_number(connection, scope),
        this_update_ms=this_update_ms,
        next_update_ms=next_update_ms,
        changes=_changes(connection, scope),
        extent=_extent(connection, scope),
        base=Base(base.number, base.changes, Extent(base.unexpired_ms, base.since)),
    )
    _insert(connection, begun, is_scheduled=False)
    return begun


def publish(connection: Connection, scope: Scope, number: int, der: bytes, now_ms: int) -> None:
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
    _drop_deltas(connection, scope, now_ms)
    _drop_complete(connection, scope, now_ms)


def latest(connection: Connection, scope: Scope) -> Published | None:
    """Return the published complete CRL of the highest number."""
    return _published(connection, _latest(connection, scope, _IS_COMPLETE))


def latest_delta(connection: Connection, scope: Scope) -> Published | None:
    """Return the published delta CRL of the highest number.

    A complete one may be newer: who holds an older one still goes on by deltas.
    """
    return _published(connection, _latest(connection, scope, ~_IS_COMPLETE))


def latest_number(connection: Connection, scope: Scope, *, is_delta: bool) -> int | None:
    """Return the number of what `latest`, or `latest_delta`, would return; it costs little."""
    newest = _latest(connection, scope, ~_IS_COMPLETE if is_delta else _IS_COMPLETE)
    return newest.number if newest else None


def latest_length(connection: Connection, scope: Scope) -> int | None:
    """Return how many bytes the DER of what `latest` would return has, without reading it."""
    newest = _latest(connection, scope, _IS_COMPLETE)
    if newest is None:
        return None
    query = select(func.length(_COLUMNS.der)).where(_of(scope), _COLUMNS.number == newest.number)
    length: int = connection.execute(query).scalar_one()
    return length


def standings(connection: Connection, ca: str) -> dict[int, Standing]:
    """Return the newest CRLs of a CA, by partition."""
    rows = connection.execute(
        select(
            _COLUMNS.partition,
            _COLUMNS.base,
            _COLUMNS.this_update_ms,
            _COLUMNS.next_update_ms,
            _COLUMNS.is_scheduled,
        )
        .where(_COLUMNS.ca == ca, _IS_PUBLISHED)
        .order_by(_COLUMNS.partition, _COLUMNS.number)
    ).all()
    newest: dict[tuple[int, bool], Times] = {}
    for row in rows:
        times = Times(row.this_update_ms, row.next_update_ms, row.is_scheduled)
        newest[row.partition, row.base is None] = times
    return {
        partition: Standing(newest.get((partition, True)), newest.get((partition, False)))
        for partition in {row.partition for row in rows}
    }


def _extent(connection: Connection, scope: Scope) -> Extent:
    """Return which certificates a complete CRL has that is begun now."""
    before = _latest(connection, scope, _IS_COMPLETE, _COLUMNS.is_scheduled)
    return Extent(before.this_update_ms, before.changes) if before else Extent(0, 0)


def _base(connection: Connection, scope: Scope, now_ms: int) -> Row[*tuple[object, ...]]:
    oldest = connection.execute(
        _select()
        .where(_of(scope), _IS_PUBLISHED, _IS_COMPLETE, _COLUMNS.next_update_ms > now_ms)
        .order_by(_COLUMNS.number)
        .limit(1)
    ).one_or_none()
    base = oldest or _latest(connection, scope, _IS_COMPLETE)
    if base is None:
        raise NoBase
    return base


def _drop_deltas(connection: Connection, scope: Scope, now_ms: int) -> None:
    """Drop the deltas before the newest one, and that where no CRL names deltas any longer."""
    complete = _latest(connection, scope, _IS_COMPLETE)
    newest = _latest(connection, scope, ~_IS_COMPLETE)
    if newest is None or complete is None:
        return
    has_run_out = and_(_COLUMNS.next_update_ms <= now_ms, _COLUMNS.number < complete.number)
    connection.execute(
        delete(CRLS).where(
            *(_of(scope), _IS_PUBLISHED, ~_IS_COMPLETE),
            or_(_COLUMNS.number < newest.number, has_run_out),
        )
    )


def _drop_complete(connection: Connection, scope: Scope, now_ms: int) -> None:
    """Drop what is older than the newest complete one, but for what deltas are reckoned from."""
    newest = _latest(connection, scope, _IS_COMPLETE)
    if newest is None:
        return
    scheduled = _latest(connection, scope, _IS_COMPLETE, _COLUMNS.is_scheduled)
    last_scheduled = scheduled.number if scheduled else 0
    is_older = and_(_of(scope), _COLUMNS.number < newest.number)
    is_overtaken = and_(_COLUMNS.der.is_(None), _COLUMNS.number < last_scheduled)
    is_over = and_(
        *(_IS_PUBLISHED, _IS_COMPLETE),
        *(_COLUMNS.next_update_ms <= now_ms, _COLUMNS.number != last_scheduled),
    )
    connection.execute(delete(CRLS).where(is_older, or_(is_overtaken, is_over)))
    connection.execute(
        update(CRLS)
        .where(is_older, _IS_PUBLISHED, _IS_COMPLETE, _COLUMNS.der != _NO_DER)
        .values(der=_NO_DER)
    )


def _of(scope: Scope) -> ColumnElement[bool]:
    return and_(_COLUMNS.ca == scope.ca, _COLUMNS.partition == scope.partition)


def _next_number(connection: Connection, scope: Scope) -> int:
    query = select(func.max(_COLUMNS.number)).where(_of(scope))
    return (connection.execute(query).scalar() or 0) + 1


def _changes(connection: Connection, scope: Scope) -> int:
    query = select(AUTHORITIES.c.changes).where(AUTHORITIES.c.name == scope.ca)
    changes: int = connection.execute(query).scalar_one()
    return changes


def _insert(connection: Connection, begun: Begun, *, is_scheduled: bool) -> None:
    scope, base = begun.scope, begun.base
    connection.execute(
        insert(CRLS).values(
            ca=scope.ca,
            partition=scope.partition,
            number=begun.number,
            base=base.number if base else None,
            is_scheduled=is_scheduled,
            changes=begun.changes,
            this_update_ms=begun.this_update_ms,
            next_update_ms=begun.next_update_ms,
            unexpired_ms=None if base else begun.extent.unexpired_ms,
            since=None if base else begun.extent.since,
        )
    )
    # Where none can be signed for long, it is tried again and again.
    before = begun.this_update_ms - _GIVEN_UP_MS
    given_up = and_(_COLUMNS.der.is_(None), _COLUMNS.this_update_ms < before)
    connection.execute(delete(CRLS).where(_of(scope), given_up, _COLUMNS.number < begun.number))


def _latest(
    connection: Connection, scope: Scope, *conditions: ColumnElement[bool]
) -> Row[*tuple[object, ...]] | None:
    """Return the published CRL of the highest number, without its DER, which can be megabytes."""
    return connection.execute(
        _select()
        .where(_of(scope), _IS_PUBLISHED, *conditions)
        .order_by(_COLUMNS.number.desc())
        .limit(1)
    ).one_or_none()


def _select() -> Select[*tuple[object, ...]]:
    return select(*(column for column in _COLUMNS if column is not _COLUMNS.der))


def _published(connection: Connection, row: Row[*tuple[object, ...]] | None) -> Published | None:
    if row is None:
        return None
    scope = Scope(row.ca, row.partition)
    query = select(_COLUMNS.der).where(_of(scope), _COLUMNS.number == row.number)
    der = connection.execute(query).scalar_one()
    return Published(row.number, row.this_update_ms, row.next_update_ms, der)
