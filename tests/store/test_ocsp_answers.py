"""OCSP answers: which are due, in which order, and none that speaks of the past."""

from functools import partial

from sqlalchemy import Connection

from tests.store.certificates import DAY_MS, DEMO, NOW_MS, issued, request
from tmsd.store.certificates import Reason, Revocation, prepare
from tmsd.store.ocsp_answers import Answer, Signed, due, find, record
from tmsd.store.revocation import hold, release, revoke

SUPERSEDED = Revocation(NOW_MS, Reason.SUPERSEDED)
ON_HOLD = Revocation(NOW_MS, Reason.CERTIFICATE_HOLD)
NONE_YET = Answer(None, is_current=False)


def due_serials(connection: Connection, now_ms: int = NOW_MS) -> list[bytes]:
    return [each.serial for each in due(connection, DEMO, now_ms, 100)]


def sign(connection: Connection, next_due_ms: int | None = NOW_MS + DAY_MS, most: int = 100) -> int:
    """Sign what is due."""
    answers = [
        Signed(each.serial, each.changed, NOW_MS, NOW_MS + 2 * DAY_MS, b"answer", next_due_ms)
        for each in due(connection, DEMO, NOW_MS, most)
    ]
    return record(connection, DEMO, answers)


def test_an_answer_is_due_again_as_it_grows_old(connection: Connection) -> None:
    serial = issued(connection).serial
    assert find(connection, DEMO, serial) == NONE_YET
    assert sign(connection) == 1

    assert find(connection, DEMO, serial) == Answer(b"answer", is_current=True)
    assert due_serials(connection) == []
    assert due_serials(connection, NOW_MS + DAY_MS - 1) == []
    assert due_serials(connection, NOW_MS + DAY_MS) == [serial]


def test_there_is_one_for_either_hash(connection: Connection) -> None:
    serial = issued(connection).serial
    (wanted,) = due(connection, DEMO, NOW_MS, 1)
    signed = Signed(serial, wanted.changed, NOW_MS, NOW_MS + DAY_MS, b"sha1", None, b"sha256")
    assert record(connection, DEMO, [signed]) == 1
    found = find(connection, DEMO, serial)
    assert found is not None
    assert (found.der, found.der_sha256) == (b"sha1", b"sha256")


def test_what_was_never_issued_has_none(connection: Connection) -> None:
    wanted = request()
    prepare(connection, wanted, NOW_MS)

    assert due_serials(connection) == []
    assert find(connection, DEMO, wanted.serial) is None
    assert find(connection, DEMO, bytes(16)) is None


def test_what_has_changed_comes_first_and_what_is_new_before_what_is_old(
    connection: Connection,
) -> None:
    old, changed = issued(connection).serial, issued(connection).serial
    sign(connection)
    new = issued(connection).serial
    revoke(connection, DEMO, changed, SUPERSEDED)

    assert due_serials(connection) == [changed, new]
    assert due_serials(connection, NOW_MS + DAY_MS) == [changed, new, old]
    assert [each.revocation for each in due(connection, DEMO, NOW_MS, 1)] == [SUPERSEDED]


def test_each_change_makes_one_due(connection: Connection) -> None:
    serial = issued(connection).serial
    changes = (
        partial(hold, since_ms=NOW_MS),
        release,
        partial(hold, since_ms=NOW_MS),
        partial(revoke, revocation=SUPERSEDED),
    )
    for change in changes:
        sign(connection)
        assert due_serials(connection) == []
        change(connection, DEMO, serial)
        assert due_serials(connection) == [serial]
        answer = find(connection, DEMO, serial)
        assert answer is not None
        assert not answer.is_current


def test_an_answer_that_a_change_has_overtaken_is_not_recorded(connection: Connection) -> None:
    serial = issued(connection).serial
    (good,) = due(connection, DEMO, NOW_MS, 1)
    hold(connection, DEMO, serial, NOW_MS)

    late = Signed(serial, good.changed, NOW_MS, NOW_MS + DAY_MS, b"good", NOW_MS + DAY_MS)
    assert record(connection, DEMO, [late]) == 0
    assert find(connection, DEMO, serial) == NONE_YET
    (held,) = due(connection, DEMO, NOW_MS, 1)
    assert held.revocation == ON_HOLD


def test_one_that_has_ended_gets_no_further_answer_but_for_a_change(connection: Connection) -> None:
    serial = issued(connection).serial
    sign(connection, next_due_ms=None)
    assert due_serials(connection, NOW_MS + 1000 * DAY_MS) == []

    revoke(connection, DEMO, serial, SUPERSEDED)
    assert due_serials(connection) == [serial]
