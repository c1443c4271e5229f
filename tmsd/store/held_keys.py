"""The table of held keys: which keys of the token the workers of each daemon may use.

A daemon says so as long as it runs. One that is silent cannot write, and so opens no channel; when
it has been silent for longer than a session can last, it has no use for a key any more.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from tmsd.store.tables import HELD_KEYS

# An hour is the most that [limits] session_seconds may be.
GONE_AFTER_MS = 3_660_000

_COLUMNS = HELD_KEYS.c


class HeldKey(NamedTuple):
    """A key of the token: its label and its version."""

    label: str
    version: int


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon's process.

    Attributes:
        id: tells it from every other that there was, 32 hex digits.
        host: the name of its machine.
    """

    id: str
    host: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A daemon whose workers may use a key, and when it said so last (ms, Unix time)."""

    daemon: Daemon
    told_ms: int


def tell(connection: Connection, daemon: Daemon, keys: Collection[HeldKey], now_ms: int) -> None:
    """Remember which keys a daemon's workers may use, in place of what it said before."""
    forget(connection, daemon)
    connection.execute(delete(HELD_KEYS).where(now_ms - GONE_AFTER_MS > _COLUMNS.told_ms))
    if keys:
        told = {"daemon": daemon.id, "host": daemon.host, "told_ms": now_ms}
        connection.execute(insert(HELD_KEYS), [told | key._asdict() for key in keys])


def forget(connection: Connection, daemon: Daemon) -> None:
    """Remember that a daemon's workers use nothing any more."""
    connection.execute(delete(HELD_KEYS).where(_COLUMNS.daemon == daemon.id))


def holders(connection: Connection, key: HeldKey, now_ms: int) -> list[Holder]:
    """Return the daemons whose workers may use a key."""
    rows = connection.execute(
        select(_COLUMNS.daemon, _COLUMNS.host, _COLUMNS.told_ms)
        .where(
            _COLUMNS.label == key.label,
            _COLUMNS.version == key.version,
            _COLUMNS.told_ms >= now_ms - GONE_AFTER_MS,
        )
        .order_by(_COLUMNS.host, _COLUMNS.daemon)
    )
    return [Holder(Daemon(row.daemon, row.host), row.told_ms) for row in rows]
