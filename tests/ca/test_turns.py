"""When CRLs have their turns: a day of a CA, hour by hour."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.store.certificates import DAY_MS, DEMO, NOW_MS, issued
from tmsd.ca.turns import Turn, turns
from tmsd.config.cas import Ca
from tmsd.store.certificates import open_authority
from tmsd.store.crls import Scope, begin, begin_delta, publish
from tmsd.store.sqlite import SqliteFile

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
Moments = dict[tuple[int, bool], list[int]]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = SqliteFile(tmp_path / "store.db").open().engine
    with engine.begin() as connection:
        open_authority(connection, DEMO)
        yield connection
    engine.dispose()


def ca(**changes: object) -> Ca:
    table = Ca(name=DEMO, certificate=Path("demo.pem"), crl_url="http://pki.example/demo.crl")
    return table.model_copy(update=changes)


def signed(
    connection: Connection, table: Ca, turn: Turn, now: int, *, by_itself: bool = True
) -> None:
    until = now + int(table.crl_lasts(is_delta=turn.is_delta).total_seconds() * 1000)
    if turn.is_delta:
        begun = begin_delta(connection, turn.scope, now, until)
    else:
        begun = begin(connection, turn.scope, now, until, is_scheduled=by_itself)
    publish(connection, turn.scope, begun.number, b"crl", now)


def kept(connection: Connection, table: Ca, hours: float, begin_ms: int = NOW_MS) -> Moments:
    """Sign whatever is due for so many hours; return when each was signed."""
    now, moments = begin_ms, defaultdict[tuple[int, bool], list[int]](list)
    while (turn := turns(connection, table)[0]).due_ms < begin_ms + hours * HOUR_MS:
        now = max(now, turn.due_ms)
        signed(connection, table, turn, now)
        moments[turn.scope.partition, turn.is_delta].append(now)
    return moments


def gaps(moments: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(moments)]


def test_a_ca_s_one_crl_is_signed_at_half_of_its_time(connection: Connection) -> None:
    moments = kept(connection, ca(crl_hours=24), hours=72)
    first, *others = gaps(moments.pop((0, False)))
    assert 6 * HOUR_MS < first <= 12 * HOUR_MS  # until it has its turn
    assert set(others) == {12 * HOUR_MS}
    assert not moments


def test_all_partitions_are_signed_at_first_and_then_one_after_another(
    connection: Connection,
) -> None:
    moments = kept(connection, ca(crl_hours=24, crl_partitions=5), hours=48)
    assert [partition for partition, _ in sorted(moments)] == [0, 1, 2, 3, 4, 5]
    assert all(each[0] == NOW_MS for each in moments.values())
    steady = [moment for each in moments.values() for moment in each[1:]]
    assert min(gaps(sorted(steady))) == HOUR_MS  # a sixth of a quarter of a day
    for each in moments.values():
        assert max(gaps(each)) <= 12 * HOUR_MS
        assert set(gaps(each[1:])) == {12 * HOUR_MS}


def test_deltas_have_a_rhythm_of_their_own(connection: Connection) -> None:
    table = ca(crl_hours=24, crl_delta_minutes=60, crl_partitions=2)
    moments = kept(connection, table, hours=24)
    assert len(moments) == 6
    for partition in (0, 1, 2):
        complete, deltas = moments[partition, False], moments[partition, True]
        assert max(gaps(complete)) <= 12 * HOUR_MS
        # Of one second they would have to have one number (RFC 5280, 5.2.3).
        assert min(gaps(sorted(complete + deltas))) >= 2000
        assert max(gaps(deltas)) <= 30 * MINUTE_MS + 2000
        assert len(deltas) >= 48


def test_what_was_signed_on_demand_moves_only_the_next_turn(connection: Connection) -> None:
    table = ca(crl_hours=24)
    kept(connection, table, hours=24)
    [before] = turns(connection, table)
    demanded = before.due_ms - HOUR_MS
    signed(connection, table, before, demanded, by_itself=False)
    [after] = turns(connection, table)
    assert after.due_ms == before.due_ms + 6 * HOUR_MS


def test_turns_are_the_same_whoever_asks_and_a_shorter_time_is_heeded_at_once(
    connection: Connection,
) -> None:
    monthly = ca(crl_hours=24 * 30)
    kept(connection, monthly, hours=1)
    assert turns(connection, monthly) == turns(connection, monthly)
    [turn] = turns(connection, ca(crl_hours=24))
    assert turn.due_ms <= NOW_MS + 12 * HOUR_MS


def test_the_crl_of_a_partition_that_the_policy_has_no_longer_outlives_its_certificates(
    connection: Connection,
) -> None:
    issued(connection, partition=7, not_after_ms=NOW_MS + 3 * DAY_MS)
    kept(connection, ca(crl_partitions=8), hours=24)

    fewer = ca(crl_partitions=4)
    moments = kept(connection, fewer, hours=24 * 5, begin_ms=NOW_MS + DAY_MS)
    assert {partition for partition, _ in moments} == {0, 1, 2, 3, 4, 7}
    # One of after the end, as what is revoked has to be on that (section 3.3).
    ended = NOW_MS + 3 * DAY_MS
    assert ended < moments[7, False][-1] <= ended + 12 * HOUR_MS
    assert moments[7, False][-2] <= ended


def test_a_whole_crl_is_there_as_long_as_certificates_name_it(connection: Connection) -> None:
    issued(connection, not_after_ms=NOW_MS + DAY_MS)
    table = ca(crl_partitions=2, crl_whole=False)
    moments = kept(connection, table, hours=72)
    assert NOW_MS + DAY_MS < moments[0, False][-1] <= NOW_MS + DAY_MS + 12 * HOUR_MS
    assert {turn.scope for turn in turns(connection, table)} == {Scope(DEMO, 1), Scope(DEMO, 2)}
