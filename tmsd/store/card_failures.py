"""The table of card failures: how often a card failed with a caller, and until when it waits."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, select

from tmsd.store.prepared import Prepared
from tmsd.store.tables import CARD_FAILURES

_COLUMNS = CARD_FAILURES.c
_OF_CARD = and_(
    _COLUMNS.caller == bindparam("caller"),
    _COLUMNS.key_set == bindparam("key_set"),
    _COLUMNS.diversification_data == bindparam("diversification_data"),
)
_FIND = Prepared(select(_COLUMNS.failures, _COLUMNS.until_ms).where(_OF_CARD))
_FORGET = delete(CARD_FAILURES).where(_OF_CARD)


@dataclass(frozen=True, slots=True)
class CardOfCaller:
    """A card, as one caller presents it; `diversification_data` is 10 bytes."""

    caller: str
    key_set: str
    diversification_data: bytes


@dataclass(frozen=True, slots=True)
class Failures:
    """How often a card failed in a row, and until when it is not asked again (ms, Unix time)."""

    count: int
    until_ms: int


def all_failures(connection: Connection) -> dict[CardOfCaller, Failures]:
    """Return the whole table, from the one that waits least to the one that waits longest."""
    rows = connection.execute(select(CARD_FAILURES).order_by(CARD_FAILURES.c.until_ms))
    return {
        CardOfCaller(row.caller, row.key_set, row.diversification_data): _failures(row)
        for row in rows
    }


def find(connection: Connection, card: CardOfCaller) -> Failures | None:
    """Return the failures of a card; None where there are none."""
    values = {
        "caller": card.caller,
        "key_set": card.key_set,
        "diversification_data": card.diversification_data,
    }
    row = _FIND.run(connection, values).one_or_none()
    return _failures(row) if row else None


def callers_it_fails_with(
    connection: Connection, card: CardOfCaller, callers: Collection[str], since_ms: int
) -> list[str]:
    """Return, in order, with which of some callers a card failed and waits, or did since a time."""
    same_card = and_(
        _COLUMNS.caller.in_(callers),
        _COLUMNS.key_set == card.key_set,
        _COLUMNS.diversification_data == card.diversification_data,
        _COLUMNS.until_ms >= since_ms,
    )
    return sorted(connection.execute(select(_COLUMNS.caller).where(same_card)).scalars())


def put(connection: Connection, card: CardOfCaller, failures: Failures) -> None:
    """Remember the failures of a card in place of those before."""
    forget(connection, card)
    connection.execute(
        insert(CARD_FAILURES).values(
            caller=card.caller,
            key_set=card.key_set,
            diversification_data=card.diversification_data,
            failures=failures.count,
            until_ms=failures.until_ms,
        )
    )


def forget_before(connection: Connection, ms: int) -> None:
    """Forget the cards whose wait was over before a time, in milliseconds of Unix time."""
    connection.execute(delete(CARD_FAILURES).where(ms > CARD_FAILURES.c.until_ms))


def forget(connection: Connection, card: CardOfCaller) -> None:
    """Forget the failures of a card."""
    connection.execute(_FORGET, asdict(card))


def _failures(row: Row[*tuple[object, ...]]) -> Failures:
    return Failures(row.failures, row.until_ms)
