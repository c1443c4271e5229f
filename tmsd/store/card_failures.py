"""The table of card failures: how often a card failed with a caller, and until when it waits."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, select

from tmsd.store.tables import CARD_FAILURES


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
        CardOfCaller(row.caller, row.key_set, row.diversification_data): Failures(
            row.failures, row.until_ms
        )
        for row in rows
    }


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
    columns = CARD_FAILURES.c
    connection.execute(
        delete(CARD_FAILURES).where(
            and_(
                columns.caller == card.caller,
                columns.key_set == card.key_set,
                columns.diversification_data == card.diversification_data,
            )
        )
    )
