"""Each query that is asked often, or of many rows, goes by an index."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest
from sqlalchemy import Connection, event

from tests.store.certificates import DEMO, NOW_MS, issued, request
from tmsd.store import cards_seen, dogtag_challenges, dogtag_vouchers, ocsp_answers
from tmsd.store.cards_seen import SeenCard
from tmsd.store.certificate_search import Position, Wanted, search
from tmsd.store.certificates import (
    Reason,
    Revocation,
    Status,
    abandon_before,
    find,
    is_compromised,
    last_end,
    live_with_key,
    partitions_above,
    prepare,
)
from tmsd.store.crl_entries import count, entries
from tmsd.store.crls import Scope, begin, begin_delta, latest, publish
from tmsd.store.dogtag_vouchers import VouchedCard
from tmsd.store.revocation import revoke

SERIAL = bytes(16)
AFTER = Position(NOW_MS, SERIAL)
VOUCHED = VouchedCard("tps", "pilot", bytes(10), bytes(10))
SUPERSEDED = Revocation(NOW_MS, Reason.SUPERSEDED)


def crl(connection: Connection, scope: Scope) -> None:
    begun = begin(connection, scope, NOW_MS, NOW_MS + 1, is_scheduled=True)
    count(connection, begun)
    list(entries(connection, begun))
    publish(connection, scope, begun.number, b"crl", NOW_MS)
    latest(connection, scope)


def delta(connection: Connection, scope: Scope) -> None:
    crl(connection, scope)
    list(entries(connection, begin_delta(connection, scope, NOW_MS, NOW_MS + 1)))


def revoke_one(connection: Connection) -> None:
    revoke(connection, DEMO, issued(connection).serial, SUPERSEDED)


def answer(connection: Connection) -> None:
    signed = ocsp_answers.Signed(SERIAL, 0, NOW_MS, NOW_MS + 1, b"der", None)
    ocsp_answers.record(connection, DEMO, [signed])


def page(wanted: Wanted) -> Callable[[Connection], object]:
    return lambda connection: search(connection, wanted, AFTER, 10)


Values: TypeAlias = tuple[object, ...] | dict[str, object]

# SQLite calls the indexes of keys by numbers.
CERTIFICATE = ("certificates_pkey", "sqlite_autoindex_certificates_1")
IDEMPOTENCY = ("uq_certificates_idempotency", "sqlite_autoindex_certificates_2")
# Of few certificates it is all one to PostgreSQL which of the indexes of revoked ones it takes.
REVOKED = ("ix_certificates_revoked", "ix_certificates_partition")
ANSWER = ("ocsp_answers_pkey", "sqlite_autoindex_ocsp_answers_1")
HOT: dict[str, tuple[Callable[[Connection], object], tuple[str, ...]]] = {
    "by serial": (lambda c: find(c, DEMO, SERIAL), CERTIFICATE),
    "prepare": (lambda c: prepare(c, request(), NOW_MS), IDEMPOTENCY),
    "issue": (issued, CERTIFICATE),
    "revoke": (revoke_one, CERTIFICATE),
    "abandon": (lambda c: abandon_before(c, NOW_MS), ("ix_certificates_prepared",)),
    "duplicates": (
        lambda c: live_with_key(c, bytes(32), NOW_MS),
        ("ix_certificates_public_key",),
    ),
    "blocked": (lambda c: is_compromised(c, bytes(32)), ("ix_certificates_public_key",)),
    "search": (page(Wanted(DEMO)), ("ix_certificates_not_after",)),
    "by caller": (page(Wanted(DEMO, caller="a")), ("ix_certificates_caller",)),
    "by profile": (page(Wanted(DEMO, profile="a")), ("ix_certificates_profile",)),
    "revoked": (page(Wanted(DEMO, status=Status.REVOKED)), REVOKED),
    "on hold": (page(Wanted(DEMO, status=Status.HOLD)), REVOKED),
    "complete CRL": (lambda c: crl(c, Scope(DEMO)), ("ix_certificates_revoked",)),
    "partition": (lambda c: crl(c, Scope(DEMO, 1)), ("ix_certificates_partition",)),
    "delta CRL": (lambda c: delta(c, Scope(DEMO)), ("ix_certificates_changed",)),
    "delta of a partition": (
        lambda c: delta(c, Scope(DEMO, 1)),
        ("ix_certificates_partition_changed",),
    ),
    "partitions": (lambda c: partitions_above(c, DEMO, 0), ("ix_certificates_partition_ends",)),
    "last of a partition": (lambda c: last_end(c, DEMO, 1), ("ix_certificates_partition_ends",)),
    "due": (lambda c: ocsp_answers.due(c, DEMO, NOW_MS, 10), ("ix_ocsp_answers_due",)),
    "signed": (answer, ANSWER),
    "cards of a version": (
        lambda c: cards_seen.page(c, "pilot", 1, bytes(10), 10),
        ("ix_cards_seen_version",),
    ),
    "cards by version": (lambda c: cards_seen.counts(c, "pilot"), ("ix_cards_seen_version",)),
    "challenge of a TPS": (
        lambda c: dogtag_challenges.find(c, "tps", bytes(32)),
        ("dogtag_challenges_pkey", "sqlite_autoindex_dogtag_challenges_1"),
    ),
    "voucher of a card": (
        lambda c: dogtag_vouchers.find(c, VOUCHED),
        ("dogtag_vouchers_pkey", "sqlite_autoindex_dogtag_vouchers_1"),
    ),
    "responder": (lambda c: ocsp_answers.find(c, DEMO, SERIAL), ANSWER),
}
WHOLE_TABLES = [
    f"{scan} {table}"
    for scan in ("Seq Scan on", "SCAN")
    for table in (
        *("certificates", "ocsp_answers", "crls", "cards_seen"),
        *("dogtag_challenges", "dogtag_vouchers"),
    )
]


def plans(connection: Connection, ask: Callable[[Connection], object]) -> str:
    """Run something, and return how the database goes about each of its statements."""
    asked: list[tuple[str, Values]] = []

    def note(_c: object, _cursor: object, statement: str, values: Values, *_: object) -> None:
        asked.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    ask(connection)
    event.remove(connection, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    steps = [
        step
        for statement, values in asked
        if statement.startswith(("SELECT", "UPDATE", "DELETE"))
        for step in connection.exec_driver_sql(f"{explain} {statement}", values)
    ]
    return "\n".join(str(step[-1]) for step in steps)


@pytest.fixture
def filled(connection: Connection) -> Connection:
    """Enough certificates that a planner has a choice, and knows of it."""
    for number in range(300):
        serial = issued(connection, partition=number % 3, caller=f"c{number % 7}").serial
        if number % 5 == 0:
            revoke(connection, DEMO, serial, SUPERSEDED)
        card = SeenCard("pilot", serial[:10], number % 3 + 1, NOW_MS)
        cards_seen.put(connection, [card, replace(card, key_set=f"other-{number}")])
        dogtag_challenges.put(connection, "tps", serial * 2, b"ticket", NOW_MS)
        of_tps = replace(VOUCHED, kdd=serial[:10], cuid=serial[6:])
        dogtag_vouchers.put(connection, of_tps, b"voucher", NOW_MS)
    connection.exec_driver_sql("ANALYZE")
    return connection


def test_no_hot_query_reads_a_whole_table(filled: Connection) -> None:
    for name, (ask, indexes) in HOT.items():
        told = plans(filled, ask)
        assert any(index in told for index in indexes), (name, told)
        assert not any(scan in told for scan in WHOLE_TABLES), (name, told)
