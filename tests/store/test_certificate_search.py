"""Searching: by what a certificate says of itself, page after page."""

import pytest
from sqlalchemy import Connection

from tests.store.certificates import DEMO, NOW_MS, issued, request
from tmsd.store.certificate_search import Position, Wanted, search
from tmsd.store.certificates import (
    Reason,
    Request,
    Revocation,
    Status,
    abandon_before,
    open_authority,
    prepare,
)
from tmsd.store.revocation import hold, release, revoke


def found(connection: Connection, wanted: Wanted) -> set[bytes]:
    return {record.serial for record in search(connection, wanted, None, 100).records}


def serials(*requests: Request) -> set[bytes]:
    return {request.serial for request in requests}


def test_what_is_said_narrows_it_down(connection: Connection) -> None:
    open_authority(connection, "root")
    ada = issued(connection)
    bob = issued(connection, subject="CN=Bob,O=Example", caller="ra-demo", profile="device")
    prepared = request(subject="CN=Carol,O=100%_Sure", not_after_ms=NOW_MS + 5)
    prepare(connection, prepared, NOW_MS)
    issued(connection, ca="root")

    assert found(connection, Wanted(DEMO)) == serials(ada, bob, prepared)
    assert found(connection, Wanted(DEMO, caller="ra-demo")) == serials(bob)
    assert found(connection, Wanted(DEMO, profile="device")) == serials(bob)
    assert found(connection, Wanted(DEMO, caller="tps-demo", profile="device")) == set()
    assert found(connection, Wanted(DEMO, status=Status.PREPARED)) == serials(prepared)
    assert found(connection, Wanted(DEMO, subject="o=example")) == serials(ada, bob)
    assert found(connection, Wanted(DEMO, subject="0%_s")) == serials(prepared)
    assert found(connection, Wanted(DEMO, ends_before_ms=NOW_MS + 6)) == serials(prepared)
    assert found(connection, Wanted(DEMO, ends_before_ms=NOW_MS + 5)) == set()
    assert found(connection, Wanted(DEMO, ends_from_ms=NOW_MS + 6)) == serials(ada, bob)


def test_each_status_finds_its_own(connection: Connection) -> None:
    good, held, released, revoked, revoked_from_hold = (issued(connection) for _ in range(5))
    for each in (held, released, revoked_from_hold):
        hold(connection, DEMO, each.serial, NOW_MS)
    release(connection, DEMO, released.serial)
    for each in (revoked, revoked_from_hold):
        revoke(connection, DEMO, each.serial, Revocation(NOW_MS, Reason.UNSPECIFIED))
    abandoned, prepared = request(), request()
    prepare(connection, abandoned, NOW_MS - 1)
    prepare(connection, prepared, NOW_MS)
    abandon_before(connection, NOW_MS)

    expected = {
        Status.GOOD: serials(good, released),
        Status.HOLD: serials(held),
        Status.REVOKED: serials(revoked, revoked_from_hold),
        Status.PREPARED: serials(prepared),
        Status.ABANDONED: serials(abandoned),
    }
    for status in Status:
        wanted = Wanted(DEMO, status=status)
        assert found(connection, wanted) == expected[status]
        records = search(connection, wanted, None, 100).records
        assert {record.status for record in records} == {status}


def test_pages_of_what_is_revoked_are_full_until_the_last(connection: Connection) -> None:
    for number in range(20):
        request = issued(connection, not_after_ms=NOW_MS + number)
        if number % 4 == 0:
            revoke(connection, DEMO, request.serial, Revocation(NOW_MS, Reason.SUPERSEDED))

    wanted = Wanted(DEMO, status=Status.REVOKED)
    first = search(connection, wanted, None, 2)
    second = search(connection, wanted, first.next, 2)
    third = search(connection, wanted, second.next, 2)
    assert [len(page.records) for page in (first, second, third)] == [2, 2, 1]
    assert third.next is None


def test_pages_have_each_certificate_once_whatever_is_added_meanwhile(
    connection: Connection,
) -> None:
    ends = (5, 3, 3, 9, 1, 3, 7)
    there = [issued(connection, not_after_ms=NOW_MS + end) for end in ends]
    there.sort(key=lambda request: (request.not_after_ms, request.serial))

    seen: list[bytes] = []
    after: Position | None = None
    while True:
        page = search(connection, Wanted(DEMO), after, 2)
        seen += [record.serial for record in page.records]
        issued(connection, not_after_ms=NOW_MS)  # before all pages that are left
        if page.next is None:
            break
        after = page.next
    assert seen == [request.serial for request in there]


@pytest.mark.parametrize("most", [0, 1001])
def test_a_page_has_bounds(connection: Connection, most: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        search(connection, Wanted(DEMO), None, most)
