"""Held keys: what each daemon said last counts, until it has been silent for too long."""

from sqlalchemy import Connection

from tmsd.store.held_keys import GONE_AFTER_MS, Daemon, HeldKey, Holder, forget, holders, tell

ONE, OTHER = Daemon("1" * 32, "one.example"), Daemon("2" * 32, "other.example")
OLD, NEW = HeldKey("pilot", 1), HeldKey("pilot", 2)
NOW = 1_800_000_000_000


def test_a_key_is_held_by_those_who_said_so_last(connection: Connection) -> None:
    tell(connection, OTHER, {OLD, NEW}, NOW)
    tell(connection, ONE, {OLD}, NOW)
    assert holders(connection, OLD, NOW) == [Holder(ONE, NOW), Holder(OTHER, NOW)]

    tell(connection, ONE, {NEW}, NOW + 1)
    assert holders(connection, OLD, NOW + 1) == [Holder(OTHER, NOW)]
    assert holders(connection, NEW, NOW + 1) == [Holder(ONE, NOW + 1), Holder(OTHER, NOW)]
    assert holders(connection, HeldKey("other", 1), NOW) == []


def test_who_ends_in_order_holds_nothing_any_more(connection: Connection) -> None:
    tell(connection, ONE, {OLD}, NOW)
    tell(connection, OTHER, {OLD}, NOW)
    forget(connection, ONE)
    tell(connection, OTHER, (), NOW)

    assert holders(connection, OLD, NOW) == []


def test_who_is_killed_counts_until_its_last_session_must_have_ended(
    connection: Connection,
) -> None:
    tell(connection, ONE, {OLD}, NOW)

    assert holders(connection, OLD, NOW + GONE_AFTER_MS) == [Holder(ONE, NOW)]
    assert holders(connection, OLD, NOW + GONE_AFTER_MS + 1) == []
    tell(connection, OTHER, {NEW}, NOW + GONE_AFTER_MS + 1)
    assert holders(connection, OLD, NOW) == []
