"""Revoking, holding and releasing: what each says of how it was, and what is final."""

import pytest
from sqlalchemy import Connection

from tests.store.certificates import DEMO, NOW_MS, issued, request
from tmsd.store.certificates import (
    Reason,
    Revocation,
    UnknownCertificate,
    abandon_before,
    find,
    prepare,
)
from tmsd.store.revocation import AlreadyRevoked, hold, release, revoke

COMPROMISED = Revocation(NOW_MS, Reason.KEY_COMPROMISE, invalidity_ms=NOW_MS - 5)
ON_HOLD = Revocation(NOW_MS, Reason.CERTIFICATE_HOLD)


def revocation(connection: Connection, serial: bytes) -> Revocation | None:
    record = find(connection, DEMO, serial)
    assert record is not None
    return record.revocation


def test_a_certificate_is_revoked_once_and_stays_as_it_is(connection: Connection) -> None:
    serial = issued(connection).serial

    assert revoke(connection, DEMO, serial, COMPROMISED) is None
    later = Revocation(NOW_MS + 1, Reason.SUPERSEDED)
    assert revoke(connection, DEMO, serial, later) == COMPROMISED
    assert revocation(connection, serial) == COMPROMISED


def test_a_hold_is_released(connection: Connection) -> None:
    serial = issued(connection).serial

    assert hold(connection, DEMO, serial, NOW_MS) is None
    assert hold(connection, DEMO, serial, NOW_MS + 1) == ON_HOLD
    assert revocation(connection, serial) == ON_HOLD
    assert release(connection, DEMO, serial) == ON_HOLD
    assert release(connection, DEMO, serial) is None
    assert revocation(connection, serial) is None


def test_a_hold_is_made_final(connection: Connection) -> None:
    serial = issued(connection).serial
    hold(connection, DEMO, serial, NOW_MS)

    assert revoke(connection, DEMO, serial, COMPROMISED) == ON_HOLD
    assert revocation(connection, serial) == COMPROMISED


def test_what_is_revoked_is_neither_held_nor_released(connection: Connection) -> None:
    serial = issued(connection).serial
    revoke(connection, DEMO, serial, COMPROMISED)

    with pytest.raises(AlreadyRevoked) as refused:
        hold(connection, DEMO, serial, NOW_MS)
    assert refused.value.revocation == COMPROMISED
    with pytest.raises(AlreadyRevoked):
        release(connection, DEMO, serial)
    assert revocation(connection, serial) == COMPROMISED


def test_a_hold_is_no_reason_to_revoke_for(connection: Connection) -> None:
    with pytest.raises(ValueError, match="use hold"):
        revoke(connection, DEMO, issued(connection).serial, ON_HOLD)


def test_what_was_never_issued_is_unknown(connection: Connection) -> None:
    given_up, prepared = request(), request()
    prepare(connection, given_up, NOW_MS - 1)
    abandon_before(connection, NOW_MS)
    prepare(connection, prepared, NOW_MS)

    for serial in (given_up.serial, prepared.serial, request().serial):
        with pytest.raises(UnknownCertificate):
            revoke(connection, DEMO, serial, COMPROMISED)
        with pytest.raises(UnknownCertificate):
            hold(connection, DEMO, serial, NOW_MS)
        with pytest.raises(UnknownCertificate):
            release(connection, DEMO, serial)


def test_each_change_has_the_next_number_and_a_repetition_none(connection: Connection) -> None:
    one, other = issued(connection).serial, issued(connection).serial

    def changed(serial: bytes) -> int:
        record = find(connection, DEMO, serial)
        assert record is not None
        return record.changed

    hold(connection, DEMO, one, NOW_MS)
    hold(connection, DEMO, one, NOW_MS)
    revoke(connection, DEMO, other, COMPROMISED)
    revoke(connection, DEMO, other, COMPROMISED)
    assert (changed(one), changed(other)) == (1, 2)
    release(connection, DEMO, one)
    release(connection, DEMO, one)
    assert (changed(one), changed(other)) == (3, 2)
