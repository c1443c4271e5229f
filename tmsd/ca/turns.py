"""When each CRL of a CA has its turn: one after another, and none later than at half of its time.

A quarter of the time that a CRL is good is shared out among the CA's CRLs: each has a moment of its
own in every such quarter of Unix time, and is signed again at the first of its moments after a
quarter of its time. So every node knows the turns, a restart moves none, and hundreds of partitions
are spread over hours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from tmsd.config.cas import Ca
from tmsd.store import certificates, crls
from tmsd.store.crls import Scope, Standing, Times
from tmsd.x509.distribution import WHOLE

# Two CRLs of a scope that are of one second would have to have one number (RFC 5280, 5.2.3).
_APART_MS = 2000


@dataclass(frozen=True, slots=True)
class Turn:
    """A CRL that is to be signed.

    Attributes:
        scope: of which certificates.
        is_delta: whether it is a delta.
        due_ms: when, in ms of Unix time.
    """

    scope: Scope
    is_delta: bool
    due_ms: int

    def __str__(self) -> str:
        return f"the {'delta' if self.is_delta else 'CRL'} of {self.scope}"


def turns(connection: Connection, ca: Ca) -> list[Turn]:
    """Return the next turn of each CRL of a CA, the one that is due first at first."""
    known = crls.standings(connection, ca.name)
    partitions = _published(connection, ca, known)
    found = [
        turn
        for place, partition in enumerate(partitions)
        for turn in _of_scope(
            ca,
            Scope(ca.name, partition),
            known.get(partition, Standing()),
            place / len(partitions),
        )
    ]
    return sorted(found, key=lambda turn: turn.due_ms)


def _published(connection: Connection, ca: Ca, known: dict[int, Standing]) -> list[int]:
    """Return the partitions of which there are CRLs: by the policy, and as certificates name them.

    A certificate stays in its partition, whatever the policy says later. The CRLs of that go on
    until there was one after the last of its certificates has ended (section 3.3).
    """

    def is_named(partition: int) -> bool:
        last = known.get(partition, Standing()).complete
        end = certificates.last_end(connection, ca.name, partition)
        if end is None or last is None or not last.is_scheduled:
            return end is not None
        return end >= last.this_update_ms

    above = certificates.partitions_above(connection, ca.name, max(ca.partitions, default=WHOLE))
    whole = [WHOLE] if ca.crl_whole or is_named(WHOLE) else []
    return [*whole, *ca.partitions, *filter(is_named, above)]


def _of_scope(ca: Ca, scope: Scope, standing: Standing, share: float) -> Iterator[Turn]:
    """Yield the turns of a scope, whose moments are at this share of each quarter."""
    complete, delta = standing.complete, standing.delta
    last_ms = max((each.this_update_ms for each in (complete, delta) if each), default=-_APART_MS)
    due = _next_ms(complete, ca.crl_lasts(is_delta=False), share)
    yield Turn(scope, is_delta=False, due_ms=max(due, last_ms + _APART_MS))
    if ca.crl_delta_minutes is not None and complete is not None:
        due = _next_ms(delta, ca.crl_lasts(is_delta=True), share)
        yield Turn(scope, is_delta=True, due_ms=max(due, last_ms + _APART_MS))


def _next_ms(last: Times | None, lasts: timedelta, share: float) -> int:
    if last is None:
        return 0
    quarter_ms = lasts // timedelta(milliseconds=4)
    moment_ms = int(quarter_ms * share)
    passed = (last.this_update_ms + quarter_ms - moment_ms) // quarter_ms
    half_way = (last.this_update_ms + last.next_update_ms) // 2
    return min((passed + 1) * quarter_ms + moment_ms, half_way)
