"""kill -9 at any moment: what was answered is on record, and nothing is there by halves."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.postgresql.cluster import Cluster
from tests.store.certificates import DEMO
from tests.store.conftest import Kept, kept_in
from tmsd.store import ocsp_answers
from tmsd.store.certificates import State, find
from tmsd.store.crl_entries import entries
from tmsd.store.crls import Scope, begin
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.sqlite import SqliteFile

Process: TypeAlias = subprocess.Popen[str]

ROOT = Path(__file__).parents[2]


def told_until(kept: Kept, lines: int, end: Callable[[Process], None]) -> list[tuple[str, bytes]]:
    """Run the process, and put an end to it after so many lines; return all that it could tell."""
    assert isinstance(kept.place, SqliteFile | PostgresqlServer)
    where = kept.place.url if isinstance(kept.place, PostgresqlServer) else kept.place.path
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.killed", str(where)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout
        told = [process.stdout.readline() for _ in range(lines)]
        end(process)
        told += process.stdout.readlines()
    whole = [line.split() for line in told if line.endswith("\n")]
    assert len(whole) >= lines
    return [(step, bytes.fromhex(serial)) for step, serial in whole]


def require_all(kept: Kept, told: list[tuple[str, bytes]]) -> None:
    """Look for everything that was answered, after a restart."""
    engine = kept.place.open().engine
    with engine.begin() as connection:
        due = {each.serial for each in ocsp_answers.due(connection, DEMO, 2**62, 1_000_000)}
        crl = begin(connection, Scope(DEMO), 1, 2, is_scheduled=True)
        listed = {entry.serial for chunk in entries(connection, crl) for entry in chunk}
        for step, serial in told:
            record = find(connection, DEMO, serial)
            assert record is not None
            if step != "prepared":
                assert (record.state, record.certificate) == (State.ISSUED, serial)
                assert serial in due
            if step == "revoked":
                assert record.revocation is not None
                assert serial in listed
    engine.dispose()


@pytest.mark.parametrize("lines", [50, 101])
def test_what_was_answered_outlives_kill_9(kept: Kept, lines: int) -> None:
    require_all(kept, told_until(kept, lines, subprocess.Popen.kill))


def test_what_was_answered_outlives_the_server(own_postgresql: Cluster) -> None:
    kept = kept_in(own_postgresql, own_postgresql.make_database())
    told = told_until(kept, 100, lambda _process: own_postgresql.kill())
    own_postgresql.start()

    require_all(kept, told)
