"""CRLs: what belongs on each, and their numbers."""

import pytest
from sqlalchemy import Connection

from tests.store.certificates import DAY_MS, DEMO, NOW_MS, issued
from tmsd.store import crl_entries
from tmsd.store.certificates import Reason, Revocation, last_end, partitions_above
from tmsd.store.crl_entries import Entry, count, entries
from tmsd.store.crls import (
    Begun,
    NoBase,
    NotBegun,
    Published,
    Scope,
    Standing,
    Times,
    begin,
    begin_delta,
    latest,
    latest_delta,
    latest_number,
    publish,
    standings,
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
    publish(connection, WHOLE, begun.number, b"crl %d" % begun.number, now)
    return dict(found)


def delta(connection: Connection, day: int = 0) -> dict[bytes, Revocation | None]:
    """Publish the delta CRL of a day; return its entries."""
    now = NOW_MS + day * DAY_MS
    begun = begin_delta(connection, WHOLE, now, now + DAY_MS)
    found = listed(connection, begun)
    publish(connection, WHOLE, begun.number, b"delta %d" % begun.number, now)
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
    monkeypatch.setattr(crl_entries, "CHUNK", 2)
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
    assert delta(connection, 1) == {}


def test_a_delta_starts_from_the_oldest_crl_that_somebody_may_still_rely_on(
    connection: Connection,
) -> None:
    """Who holds it need not fetch the newer one before it has run out."""
    at(connection, 0)
    first = issued(connection).serial
    revoke(connection, DEMO, first, SUPERSEDED)
    half_a_day = NOW_MS + DAY_MS // 2
    begun = begin(connection, WHOLE, half_a_day, half_a_day + DAY_MS, is_scheduled=True)
    publish(connection, WHOLE, begun.number, b"second", half_a_day)
    second = issued(connection).serial
    revoke(connection, DEMO, second, SUPERSEDED)

    def base_at(ms: int) -> tuple[int | None, set[bytes]]:
        delta = begin_delta(connection, WHOLE, ms, ms + 1)
        return delta.base.number if delta.base else None, set(listed(connection, delta))

    assert base_at(NOW_MS + DAY_MS - 1) == (1, {first, second})
    assert base_at(NOW_MS + DAY_MS) == (2, {second})
    assert base_at(NOW_MS + 5 * DAY_MS) == (2, {second})  # where none is still good


def test_a_delta_removes_what_has_ended_and_the_next_complete_crl_leaves_out(
    connection: Connection,
) -> None:
    """Both must come to the same (section 5.2.3): it was on a CRL of after its end."""
    ends_soon = issued(connection, not_after_ms=NOW_MS + DAY_MS - 1).serial
    revoke(connection, DEMO, ends_soon, SUPERSEDED)
    at(connection, 0)
    assert delta(connection) == {}
    assert ends_soon in at(connection, 1)  # of after its end

    assert delta(connection, 1) == {ends_soon: None}
    assert ends_soon not in at(connection, 2)
    assert delta(connection, 2) == {}


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
    publish(connection, WHOLE, begun.number, b"crl", NOW_MS)

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
    assert begin(connection, Scope(DEMO, 1), NOW_MS, NOW_MS + 1, is_scheduled=True).number == 1


def test_a_delta_goes_on_beside_a_newer_complete_one_until_it_has_run_out(
    connection: Connection,
) -> None:
    at(connection, 0)
    delta(connection)
    begun = begin(connection, WHOLE, NOW_MS + 1, NOW_MS + DAY_MS, is_scheduled=True)
    publish(connection, WHOLE, begun.number, b"newer", NOW_MS + 1)
    told = latest_delta(connection, WHOLE)
    assert told is not None
    assert told.der == b"delta 2"

    at(connection, 1)
    assert latest_delta(connection, WHOLE) is None


def test_of_older_ones_there_stays_what_deltas_are_reckoned_from_and_no_der(
    connection: Connection,
) -> None:
    def kept() -> list[tuple[object, ...]]:
        rows = connection.exec_driver_sql("SELECT number, length(der) FROM crls ORDER BY number")
        return [tuple(row) for row in rows]

    for minute in range(3):
        begun = begin(connection, WHOLE, NOW_MS + minute, NOW_MS + DAY_MS, is_scheduled=False)
        publish(connection, WHOLE, begun.number, b"crl", NOW_MS + minute)
    assert kept() == [(1, 0), (2, 0), (3, 3)]
    at(connection, 1)
    assert kept() == [(4, 5)]


def test_crls_that_were_never_signed_do_not_pile_up(connection: Connection) -> None:
    numbers = [
        begin(connection, WHOLE, now, now + DAY_MS, is_scheduled=True).number
        for now in range(NOW_MS, NOW_MS + 3 * 3_600_000, 600_000)
    ]
    kept = connection.exec_driver_sql("SELECT count(*) FROM crls").scalar_one()
    assert numbers == list(range(1, 19))
    assert kept == 7  # of the last hour


def test_the_number_of_the_latest_is_told_without_reading_it(connection: Connection) -> None:
    def numbers() -> list[int | None]:
        return [latest_number(connection, WHOLE, is_delta=is_delta) for is_delta in (False, True)]

    assert numbers() == [None, None]
    first = begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    assert numbers() == [None, None]
    publish(connection, WHOLE, first.number, b"complete", NOW_MS)
    assert numbers() == [first.number, None]
    second = begin_delta(connection, WHOLE, NOW_MS, NOW_MS + 1)
    publish(connection, WHOLE, second.number, b"delta", NOW_MS)
    assert numbers() == [first.number, second.number]
    third = begin(connection, WHOLE, NOW_MS, NOW_MS + 1, is_scheduled=True)
    publish(connection, WHOLE, third.number, b"complete", NOW_MS)
    assert numbers() == [third.number, second.number]


def test_a_crl_is_published_once_and_none_that_was_not_begun(connection: Connection) -> None:
    assert latest(connection, WHOLE) is None
    at(connection, 0)
    for number in (1, 2):
        with pytest.raises(NotBegun):
            publish(connection, WHOLE, number, b"other", NOW_MS)
    assert latest(connection, WHOLE) == Published(1, NOW_MS, NOW_MS + DAY_MS, b"crl 1")


def test_a_partition_has_its_own(connection: Connection) -> None:
    one, other = (issued(connection, partition=number).serial for number in (1, 2))
    for serial in (one, other):
        revoke(connection, DEMO, serial, SUPERSEDED)

    def of(partition: int) -> list[Entry]:
        begun = begin(connection, Scope(DEMO, partition), NOW_MS, NOW_MS + 1, is_scheduled=True)
        publish(connection, Scope(DEMO, partition), begun.number, b"crl", NOW_MS)
        assert count(connection, begun) == len(listed(connection, begun))
        return [entry for chunk in entries(connection, begun) for entry in chunk]

    revoked = (NOW_MS, "superseded", None)
    assert of(1) == [Entry(one, *revoked)]
    assert of(2) == [Entry(other, *revoked)]
    assert of(3) == []
    begun = begin_delta(connection, Scope(DEMO, 1), NOW_MS, NOW_MS + 1)
    assert listed(connection, begun) == {}


def test_the_partitions_of_certificates_are_told_and_when_the_last_of_each_ends(
    connection: Connection,
) -> None:
    for partition, days in ((0, 9), (2, 1), (2, 3), (7, 5)):
        issued(connection, partition=partition, not_after_ms=NOW_MS + days * DAY_MS)

    assert partitions_above(connection, DEMO, 0) == [2, 7]
    assert partitions_above(connection, DEMO, 2) == [7]
    assert partitions_above(connection, DEMO, 7) == []
    assert last_end(connection, DEMO, 2) == NOW_MS + 3 * DAY_MS
    assert last_end(connection, DEMO, 1) is None


def test_the_newest_of_each_partition_is_told(connection: Connection) -> None:
    assert standings(connection, DEMO) == {}
    at(connection, 0)
    at(connection, 1, is_scheduled=False)
    delta(connection, 1)
    other = begin(connection, Scope(DEMO, 3), NOW_MS, NOW_MS + 1, is_scheduled=True)
    assert 3 not in standings(connection, DEMO)
    publish(connection, other.scope, other.number, b"crl", NOW_MS)

    day = Times(NOW_MS + DAY_MS, NOW_MS + 2 * DAY_MS, is_scheduled=False)
    assert standings(connection, DEMO) == {
        0: Standing(complete=day, delta=day),
        3: Standing(complete=Times(NOW_MS, NOW_MS + 1, is_scheduled=True)),
    }
