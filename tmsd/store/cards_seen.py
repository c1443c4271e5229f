"""The table of cards seen: which key version each card proved to hold when it was seen last."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, select, text

from tmsd.store.tables import CARDS_SEEN

LONGEST_PAGE = 1000

_COLUMNS = CARDS_SEEN.c
# Both kinds know these words. Of two daemons that write of one card, the later sight counts.
_PUT = text(
    "INSERT INTO cards_seen (key_set, diversification_data, key_version, seen_ms)"
    " VALUES (:key_set, :diversification_data, :key_version, :seen_ms)"
    " ON CONFLICT (key_set, diversification_data)"
    " DO UPDATE SET key_version = excluded.key_version, seen_ms = excluded.seen_ms"
    " WHERE excluded.seen_ms >= cards_seen.seen_ms"
)


@dataclass(frozen=True, slots=True)
class SeenCard:
    """A card, as it was seen last.

    Attributes:
        key_set: whose keys it holds.
        diversification_data: 10 bytes, which tell it from others of the key set.
        key_version: that it proved to hold, 1 to 255.
        seen_ms: when, in milliseconds of Unix time.
    """

    key_set: str
    diversification_data: bytes
    key_version: int
    seen_ms: int


def put(connection: Connection, seen: Sequence[SeenCard]) -> None:
    """Remember sights of cards, at least one, in place of earlier ones of the same cards."""
    # In one order, so that two daemons do not wait for each other's rows.
    ordered = sorted(seen, key=lambda card: (card.key_set, card.diversification_data))
    connection.execute(_PUT, [asdict(card) for card in ordered])


def counts(connection: Connection, key_set: str) -> Mapping[int, int]:
    """Return of how many cards of a key set each version was seen last."""
    rows = connection.execute(
        select(_COLUMNS.key_version, func.count())
        .where(_COLUMNS.key_set == key_set)
        .group_by(_COLUMNS.key_version)
        .order_by(_COLUMNS.key_version)
    )
    return dict(rows.all())


def page(
    connection: Connection, key_set: str, key_version: int, after: bytes | None, most: int
) -> list[SeenCard]:
    """Return cards that were last seen with a version, in the order of their diversification data.

    Args:
        connection: of any transaction.
        key_set: whose cards.
        key_version: 1 to 255.
        after: the diversification data that the page before ended with; None for the first.
        most: how many at most.
    """
    wanted = select(CARDS_SEEN).where(
        _COLUMNS.key_set == key_set, _COLUMNS.key_version == key_version
    )
    if after is not None:
        wanted = wanted.where(_COLUMNS.diversification_data > after)
    rows = connection.execute(wanted.order_by(_COLUMNS.diversification_data).limit(most))
    return [
        SeenCard(row.key_set, row.diversification_data, row.key_version, row.seen_ms)
        for row in rows
    ]
