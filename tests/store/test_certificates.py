"""Certificates are on record before they are signed, and are issued once."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import DataError, IntegrityError

from tests.store.certificates import DAY_MS, DEMO, DER, NOW_MS, issued, request
from tmsd.store import ocsp_answers
from tmsd.store.certificates import (
    Abandoned,
    IdempotencyConflict,
    Reason,
    Record,
    Revocation,
    SerialTaken,
    State,
    UnknownCertificate,
    abandon_before,
    find,
    is_compromised,
    issue,
    live_with_key,
    of,
    open_authority,
    prepare,
)
from tmsd.store.revocation import hold, revoke
from tmsd.store.tables import CERTIFICATES


def test_what_is_prepared_is_on_record(connection: Connection) -> None:
    wanted = request()

    assert prepare(connection, wanted, NOW_MS) == Record(
        ca=DEMO,
        serial=wanted.serial,
        profile="token-authentication",
        caller="tps-demo",
        subject="CN=Ada Lovelace,O=Example",
        public_key_sha256=wanted.public_key_sha256,
        not_before_ms=NOW_MS,
        not_after_ms=NOW_MS + 365 * DAY_MS,
        partition=0,
        state=State.PREPARED,
        prepared=b"sealed",
        certificate=None,
        revocation=None,
        changed=0,
    )
    assert find(connection, DEMO, wanted.serial) == prepare(connection, wanted, NOW_MS)


def test_the_same_request_again_is_the_one_on_record(connection: Connection) -> None:
    first = request()
    prepare(connection, first, NOW_MS)
    again = replace(request(), idempotency_key=first.idempotency_key, prepared=b"sealed anew")
    again = replace(again, request_digest=first.request_digest)

    assert prepare(connection, again, NOW_MS) == find(connection, DEMO, first.serial)
    assert find(connection, DEMO, again.serial) is None

    issue(connection, DEMO, first.serial, DER, NOW_MS)
    assert prepare(connection, again, NOW_MS).certificate == DER


def test_another_request_under_the_same_key_is_refused(connection: Connection) -> None:
    first = request()
    prepare(connection, first, NOW_MS)
    with pytest.raises(IdempotencyConflict):
        prepare(connection, request(idempotency_key=first.idempotency_key), NOW_MS)
    somebody_elses = request(idempotency_key=first.idempotency_key, caller="ra-demo")
    assert prepare(connection, somebody_elses, NOW_MS).caller == "ra-demo"


def test_a_serial_number_is_taken_once_for_each_ca(connection: Connection) -> None:
    first = request()
    prepare(connection, first, NOW_MS)
    with pytest.raises(SerialTaken):
        prepare(connection, request(serial=first.serial), NOW_MS)
    open_authority(connection, "root")
    prepare(connection, request(ca="root", serial=first.serial), NOW_MS)


def test_the_first_signature_on_record_is_the_one_that_is_given_out(connection: Connection) -> None:
    wanted = request()
    prepare(connection, wanted, NOW_MS)

    assert issue(connection, DEMO, wanted.serial, b"the first", NOW_MS) == b"the first"
    assert issue(connection, DEMO, wanted.serial, b"a second", NOW_MS) == b"the first"
    record = find(connection, DEMO, wanted.serial)
    assert record is not None
    assert (record.state, record.certificate, record.prepared) == (State.ISSUED, b"the first", None)


def test_nothing_is_issued_that_was_not_prepared(connection: Connection) -> None:
    with pytest.raises(UnknownCertificate):
        issue(connection, DEMO, bytes(16), DER, NOW_MS)


def test_what_nobody_came_back_for_is_given_up_and_kept_on_record(connection: Connection) -> None:
    early, late, done = request(), request(), issued(connection)
    prepare(connection, early, NOW_MS - 1)
    prepare(connection, late, NOW_MS)

    assert abandon_before(connection, NOW_MS) == 1
    record = find(connection, DEMO, early.serial)
    assert record is not None
    assert (record.state, record.prepared) == (State.ABANDONED, b"sealed")
    with pytest.raises(Abandoned):
        issue(connection, DEMO, early.serial, DER, NOW_MS)
    assert issue(connection, DEMO, late.serial, DER, NOW_MS) == DER
    assert issue(connection, DEMO, done.serial, b"other", NOW_MS) == DER


def test_an_ocsp_answer_is_due_once_it_is_issued(connection: Connection) -> None:
    wanted = issued(connection)

    (due,) = ocsp_answers.due(connection, DEMO, NOW_MS, 10)
    assert (due.serial, due.revocation) == (wanted.serial, None)


def test_a_key_that_has_a_live_certificate_is_told(connection: Connection) -> None:
    key = request().public_key_sha256
    revoked, held, good = (issued(connection, public_key_sha256=key) for _ in range(3))
    ended = issued(connection, public_key_sha256=key, not_after_ms=NOW_MS, not_before_ms=NOW_MS)
    prepared, given_up = (request(public_key_sha256=key) for _ in range(2))
    prepare(connection, given_up, NOW_MS - 1)
    abandon_before(connection, NOW_MS)
    prepare(connection, prepared, NOW_MS)
    revoke(connection, DEMO, revoked.serial, Revocation(NOW_MS, Reason.SUPERSEDED))
    hold(connection, DEMO, held.serial, NOW_MS)

    def live(now_ms: int) -> set[bytes]:
        return {record.serial for record in live_with_key(connection, key, now_ms)}

    assert live(NOW_MS) == {held.serial, good.serial, ended.serial, prepared.serial}
    assert live(NOW_MS + 1) == {held.serial, good.serial, prepared.serial}
    assert live_with_key(connection, request().public_key_sha256, NOW_MS) == []


def test_a_key_that_others_may_have_is_told_for_good(connection: Connection) -> None:
    superseded, compromised = issued(connection), issued(connection)
    revoke(connection, DEMO, superseded.serial, Revocation(NOW_MS, Reason.SUPERSEDED))
    revoke(connection, DEMO, compromised.serial, Revocation(NOW_MS, Reason.KEY_COMPROMISE))

    assert is_compromised(connection, compromised.public_key_sha256)
    assert not is_compromised(connection, superseded.public_key_sha256)


@pytest.mark.parametrize(
    "fields",
    [
        {"serial": bytes(15)},
        {"ca": "unknown"},
        {"ca": ""},
        {"profile": "p" * 65},
        {"caller": ""},
        {"subject": "s" * 1025},
        {"public_key_sha256": bytes(31)},
        {"request_digest": bytes(33)},
        {"not_after_ms": NOW_MS - 1},
        {"partition": -1},
        {"idempotency_key": "k" * 129},
        {"prepared": b""},
        {"prepared": bytes(65_537)},
    ],
    ids=",".join,
)
def test_the_database_holds_the_bounds_of_each_field(
    connection: Connection, fields: dict[str, object]
) -> None:
    with pytest.raises((IntegrityError, DataError)), connection.begin_nested():
        prepare(connection, request(**fields), NOW_MS)


@pytest.mark.parametrize(
    "values",
    [
        {"state": "lost"},
        {"state": State.PREPARED},
        {"state": State.ABANDONED},
        {"certificate": None},
        {"prepared": b"again"},
        {"certificate": bytes(65_537)},
        {"revoked_ms": NOW_MS, "changed": 1},
        {"reason": Reason.SUPERSEDED, "changed": 1},
        {"revoked_ms": NOW_MS, "reason": "removeFromCRL", "changed": 1},
        {"revoked_ms": NOW_MS, "reason": Reason.SUPERSEDED},
        {"invalidity_ms": NOW_MS},
        {"changed": -1},
    ],
    ids=str,
)
def test_the_database_holds_that_states_are_whole(
    connection: Connection, values: dict[str, object]
) -> None:
    wanted = issued(connection)
    with pytest.raises((IntegrityError, DataError)), connection.begin_nested():
        connection.execute(update(CERTIFICATES).where(of(DEMO, wanted.serial)).values(**values))
