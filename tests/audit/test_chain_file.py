"""The chain file: who may open it, how a run begins, and what a crash may leave behind."""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.samples import chain, decision, lines, records_in
from tmsd.audit.chain_file import CLOCK_TOLERANCE, AuditFileError, ChainFile, ClockUnreliable
from tmsd.audit.record import MAX_LINE, Record
from tmsd.audit.verification import verify

ROOT = Path(__file__).parents[2]


def test_a_new_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    umask = os.umask(0)
    try:
        ChainFile.open(path).close()
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o7777 == 0o600


def test_opening_makes_the_files_name_durable_before_its_first_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    path = tmp_path / "audit.log"
    ChainFile.open(path).close()
    assert synced == [tmp_path.stat().st_ino, path.stat().st_ino]


def test_every_run_begins_with_a_record_and_continues_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for run in range(3):
        with ChainFile.open(path) as file:
            file.append([decision(run)])
    assert [record.decision.operation for record in records_in(path)] == [
        "audit-opened",
        "tks.sessions.open",
    ] * 3
    assert records_in(path)[0].decision.details == {"process": os.getpid()}
    assert verify(path).clean


def test_a_second_opening_is_refused_while_the_first_lasts(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with ChainFile.open(path), pytest.raises(AuditFileError, match="in use by another process"):
        ChainFile.open(path)
    ChainFile.open(path).close()


def test_another_process_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    program = (
        "import sys, pathlib; from tmsd.audit.chain_file import ChainFile; "
        "ChainFile.open(pathlib.Path(sys.argv[1]))"
    )
    with ChainFile.open(path):
        before = path.read_bytes()
        other = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert path.read_bytes() == before
    assert other.returncode == 1
    assert "in use by another process" in other.stderr


def test_a_file_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    ChainFile.open(path).close()
    path.chmod(0o620)
    with pytest.raises(AuditFileError, match=r"mode 0620.*should be 0600"):
        ChainFile.open(path)


def test_a_symbolic_link_or_a_fifo_is_no_audit_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        ChainFile.open(tmp_path / "link")
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(AuditFileError, match="regular file"):
        ChainFile.open(tmp_path / "fifo")


def test_a_torn_last_line_is_cut_off_and_the_cut_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    whole = lines(chain(3))
    path.write_bytes(b"".join(whole) + whole[0][:100])
    path.chmod(0o600)
    with ChainFile.open(path):
        pass
    opened, repaired = records_in(path)[3:]
    assert opened.decision.operation == "audit-opened"
    assert repaired.decision.operation == "log-repaired"
    assert repaired.decision.details == {"bytes_cut": 100}
    assert verify(path).clean


@given(st.data())
def test_wherever_a_write_was_cut_short_the_chain_goes_on_from_the_last_whole_record(
    data: st.DataObject,
) -> None:
    whole = lines(chain(4))
    stream = b"".join(whole)
    end = data.draw(st.integers(0, len(stream)))
    # A crash may also leave zeros where the end of the file was not yet written.
    zeros = bytes(data.draw(st.sampled_from([0, 0, 1, 4096, 200_000])))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.log"
        path.write_bytes(stream[:end] + zeros)
        path.chmod(0o600)
        with ChainFile.open(path) as file:
            file.append([decision()])
        assert verify(path).clean
        complete = stream[: stream[:end].rfind(b"\n") + 1]
        assert path.read_bytes().startswith(complete)
        repaired = [r for r in records_in(path) if r.decision.operation == "log-repaired"]
        torn = end + len(zeros) - len(complete)
        assert [r.decision.details["bytes_cut"] for r in repaired] == ([torn] if torn else [])


@pytest.mark.parametrize(
    "last",
    [
        b"not json\n",
        b"\n",
        lines(chain(3))[2].replace(b"tps-demo", b"tps-dem0"),
        b"x" * (MAX_LINE * 10) + b"\n",
    ],
)
def test_a_whole_but_invalid_last_line_stops_the_opening_with_file_and_line(
    tmp_path: Path, last: bytes
) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"".join(lines(chain(2))) + last)
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(AuditFileError, match=r"audit\.log: line 3 is no valid record"):
        ChainFile.open(path)
    assert path.read_bytes() == before


def test_a_failed_opening_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"not json\n")
    path.chmod(0o600)
    with pytest.raises(AuditFileError):
        ChainFile.open(path)
    path.write_bytes(b"")
    ChainFile.open(path).close()


def test_a_file_that_grew_or_shrank_by_another_hand_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with ChainFile.open(path) as file:
        intact = path.read_bytes()
        for tampered in (intact + b"x", intact[:-1]):
            path.write_bytes(tampered)
            with pytest.raises(AuditFileError, match="another hand"):
                file.append([decision()])
            assert path.read_bytes() == tampered
        path.write_bytes(intact)
        file.append([decision()])
    assert verify(path).clean


def at(path: Path, time: datetime) -> None:
    """Write one more record to a file, with a time of its own."""
    previous = records_in(path)[-1]
    with path.open("ab") as file:
        file.write(Record.following(previous, time, decision()).encode())


def test_while_the_clock_is_behind_the_last_record_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    ChainFile.open(path).close()
    ahead = datetime.now(UTC) + timedelta(seconds=2)
    at(path, ahead)
    before = path.read_bytes()

    with pytest.raises(ClockUnreliable, match="behind the last record"):
        ChainFile.open(path)
    assert path.read_bytes() == before

    while datetime.now(UTC) < ahead - CLOCK_TOLERANCE:
        time.sleep(0.05)
    with ChainFile.open(path) as file:
        file.append([decision()])
    assert verify(path).clean


def test_a_small_step_back_leaves_no_time_that_runs_backwards(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    ChainFile.open(path).close()
    at(path, datetime.now(UTC) + CLOCK_TOLERANCE / 2)

    with ChainFile.open(path) as file:
        file.append([decision()])

    assert verify(path).clean
