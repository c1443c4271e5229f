"""CRLs: what belongs on each, and their numbers."""

import secrets

import pytest
from sqlalchemy import Connection

from tests.store.certificates import DAY_MS, DEMO, NOW_MS, issued
from tmsd.store import crls
from tmsd.store.certificates import Reason, Revocation
from tmsd.store.crls import (
    Begun,
    Entry,
    NoBase,
    NotBegun,
    Published,
    Scope,
    begin,
    begin_delta,
    entries,
    latest,
    latest_delta,
    latest_number,
    partition_of,
    publish,
)
from tmsd.store.revocation import hold, release, revoke

WHOLE = Scope(DEMO)
SUPERSEDED = Revocation(NOW_MS, Reason.SUPERSEDED)


def listed(connection: Connection, begun: Begun) -> dict[bytes, Revocation | None]:
    """Return the entries of a CRL, of which none is there twice."""
    every = [entry for chunk in entries(connection, begun) for entry in chunk]
    found = {entry.serial: entry.revocation for entry in every}
    assert len(found) == len(every)
    return found


def at(connection: Connection, day: int, *, is_scheduled: bool = True) -> dict[bytes, object]:
    """Publish the complete CRL of a day; return its entries."""
    now = NOW_MS + day * DAY_MS
    begun = begin(connection, WHOLE, now, now + DAY_MS, is_scheduled=is_scheduled)
    found = listed(connection, begun)
    publish(connection, WHOLE, begun.number, b"crl %d" % begun.number)
    return dict(found)


def delta(connection: Connection) -> dict[bytes, Revocation | None]:
    """Publish a delta CRL; return its entries."""
    begun = begin_delta(connection, WHOLE, NOW_MS, NOW_MS + DAY_MS)
    found = listed(connection, begun)
    publish(connection, WHOLE, begun.number, b"delta %d" % begun.number)
    return found


def test_a_complete_crl_has_what_is_revoked_or_held(connection: Connection) -> None:
    revoked, held, released, _good = (issued(connection).serial for _ in range(4))
    revoke(connection, DEMO, revoked, SUPERSEDED)
    hold(connection, DEMO, held, NOW_MS)
    hold(connection, DEMO, released, NOW_MS)
    release(connection, DEMO, released)

    assert at(connection, 0) == {
        revoked: SUPERSEDED,
        held: Revocation(NOW_MS, Reason.CERTIFICATE_HOLD),
    }


def test_it_comes_in_chunks(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crls, "CHUNK", 2)
    serials = {issued(connection).serial for _ in range(5)}
    for serial in serials:
        revoke(connection, DEMO, serial, SUPERSEDED)

    begun = begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    assert [len(chunk) for chunk in entries(connection, begun)] == [2, 2, 1]
    assert listed(connection, begun).keys() == serials


def test_an_ended_certificate_leaves_after_one_more_scheduled_crl(connection: Connection) -> None:
    serial = issued(connection, not_after_ms=NOW_MS + 2 * DAY_MS - 1).serial
    revoke(connection, DEMO, serial, SUPERSEDED)

    assert serial in at(connection, 0)
    assert serial in at(connection, 1)
    assert serial in at(connection, 2, is_scheduled=False)  # one on demand is not that one
    assert serial in at(connection, 3)
    assert serial not in at(connection, 4)


def test_one_that_is_revoked_after_its_end_is_on_one_scheduled_crl(connection: Connection) -> None:
    serial = issued(connection, not_after_ms=NOW_MS + 1).serial
    assert at(connection, 1) == {}
    revoke(connection, DEMO, serial, SUPERSEDED)

    assert at(connection, 2, is_scheduled=False) == {serial: SUPERSEDED}
    assert at(connection, 3) == {serial: SUPERSEDED}
    assert at(connection, 4) == {}


def test_a_delta_has_what_changed_since_the_complete_one(connection: Connection) -> None:
    before, after, held, released = (issued(connection).serial for _ in range(4))
    revoke(connection, DEMO, before, SUPERSEDED)
    hold(connection, DEMO, held, NOW_MS)
    hold(connection, DEMO, released, NOW_MS)
    at(connection, 0)
    revoke(connection, DEMO, after, SUPERSEDED)
    revoke(connection, DEMO, held, SUPERSEDED)
    release(connection, DEMO, released)

    everything = {after: SUPERSEDED, held: SUPERSEDED, released: None}
    assert delta(connection) == everything
    assert delta(connection) == everything  # from the same base, until there is another
    at(connection, 1)
    assert delta(connection) == {}


def test_one_that_is_held_and_released_between_two_complete_ones_is_told_of(
    connection: Connection,
) -> None:
    """A delta may have listed it, so that the next must say that it is off (section 5.2.4)."""
    at(connection, 0)
    serial = issued(connection).serial
    hold(connection, DEMO, serial, NOW_MS)
    assert delta(connection) == {serial: Revocation(NOW_MS, Reason.CERTIFICATE_HOLD)}
    release(connection, DEMO, serial)
    assert delta(connection) == {serial: None}


def test_what_changes_while_a_crl_is_signed_is_on_the_next_delta(connection: Connection) -> None:
    serial = issued(connection).serial
    begun = begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    revoke(connection, DEMO, serial, SUPERSEDED)
    publish(connection, WHOLE, begun.number, b"crl")

    assert delta(connection) == {serial: SUPERSEDED}


def test_there_is_no_delta_of_nothing(connection: Connection) -> None:
    with pytest.raises(NoBase):
        begin_delta(connection, WHOLE, NOW_MS, NOW_MS + 1)
    begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    with pytest.raises(NoBase):
        begin_delta(connection, WHOLE, NOW_MS, NOW_MS + 1)


def test_complete_and_delta_crls_of_a_scope_share_their_numbers(connection: Connection) -> None:
    at(connection, 0)
    delta(connection)
    unsigned = begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    at(connection, 1)
    delta(connection)

    assert unsigned.number == 3
    assert latest(connection, WHOLE) == Published(4, NOW_MS + DAY_MS, NOW_MS + 2 * DAY_MS, b"crl 4")
    assert latest_delta(connection, WHOLE) == Published(5, NOW_MS, NOW_MS + DAY_MS, b"delta 5")
    assert begin(connection, Scope(DEMO, 0), NOW_MS, NOW_MS + 1, is_scheduled=True).number == 1


def test_a_delta_ends_with_the_next_complete_one(connection: Connection) -> None:
    at(connection, 0)
    delta(connection)
    at(connection, 1)

    assert latest_delta(connection, WHOLE) is None


def test_the_number_of_the_latest_is_told_without_reading_it(connection: Connection) -> None:
    def numbers() -> list[int | None]:
        return [latest_number(connection, WHOLE, is_delta=is_delta) for is_delta in (False, True)]

    assert numbers() == [None, None]
    first = begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    assert numbers() == [None, None]
    publish(connection, WHOLE, first.number, b"complete")
    assert numbers() == [first.number, None]
    second = begin_delta(connection, WHOLE, NOW_MS, NOW_MS + 1)
    publish(connection, WHOLE, second.number, b"delta")
    assert numbers() == [first.number, second.number]
    third = begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    publish(connection, WHOLE, third.number, b"complete")
    assert numbers() == [third.number, None]


def test_a_crl_is_published_once_and_none_that_was_not_begun(connection: Connection) -> None:
    assert latest(connection, WHOLE) is None
    at(connection, 0)
    for number in (1, 2):
        with pytest.raises(NotBegun):
            publish(connection, WHOLE, number, b"other")
    assert latest(connection, WHOLE) == Published(1, NOW_MS, NOW_MS + DAY_MS, b"crl 1")


def test_a_partition_has_its_own(connection: Connection) -> None:
    one, other = (issued(connection, partition=number).serial for number in (1, 2))
    for serial in (one, other):
        revoke(connection, DEMO, serial, SUPERSEDED)

    def of(partition: int) -> list[Entry]:
        begun = begin(connection, Scope(DEMO, partition), NOW_MS, NOW_MS + 1, is_scheduled=True)
        publish(connection, Scope(DEMO, partition), begun.number, b"crl")
        return [entry for chunk in entries(connection, begun) for entry in chunk]

    assert of(1) == [Entry(one, SUPERSEDED)]
    assert of(2) == [Entry(other, SUPERSEDED)]
    assert of(0) == []
    begun = begin_delta(connection, Scope(DEMO, 1), NOW_MS, NOW_MS + 1)
    assert listed(connection, begun) == {}


def test_partitions_are_told_from_serial_numbers_alone_and_evenly() -> None:
    serials = [secrets.token_bytes(16) for _ in range(2000)]
    for partitions in (1, 3, 16):
        filled = [partition_of(serial, partitions) for serial in serials]
        assert filled == [partition_of(serial, partitions) for serial in serials]
        assert set(filled) == set(range(partitions))
