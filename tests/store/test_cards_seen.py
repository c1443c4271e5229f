"""Cards seen: the latest sight of each counts, and they are told page after page."""

from sqlalchemy import Connection

from tmsd.store.cards_seen import SeenCard, counts, page, put


def seen(number: int, version: int, ms: int = 1, key_set: str = "pilot") -> SeenCard:
    return SeenCard(key_set, number.to_bytes(10), version, ms)


def test_the_latest_sight_of_a_card_counts_in_whichever_order_it_is_written(
    connection: Connection,
) -> None:
    put(connection, [seen(2, 1, ms=5), seen(1, 1, ms=5)])
    put(connection, [seen(1, 2, ms=6), seen(2, 2, ms=4)])

    assert page(connection, "pilot", 1, None, 10) == [seen(2, 1, ms=5)]
    assert page(connection, "pilot", 2, None, 10) == [seen(1, 2, ms=6)]


def test_cards_are_counted_by_key_set_and_version(connection: Connection) -> None:
    put(connection, [seen(number, 1 + number % 2) for number in range(5)])
    put(connection, [seen(number, 1, key_set="other") for number in range(3)])

    assert counts(connection, "pilot") == {1: 3, 2: 2}
    assert counts(connection, "other") == {1: 3}
    assert counts(connection, "nothing") == {}


def test_a_page_begins_after_the_card_that_the_one_before_ended_with(
    connection: Connection,
) -> None:
    cards = [seen(number, 1) for number in range(5)]
    put(connection, [*reversed(cards), seen(9, 2)])

    first = page(connection, "pilot", 1, None, 3)
    rest = page(connection, "pilot", 1, first[-1].diversification_data, 3)
    assert (first, rest) == (cards[:3], cards[3:])
