"""The audit log of a running process: durable before it answers, shared fsyncs, recovery."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.audit.samples import decision, receipt, records_in, with_receipts
from tests.site.failing_disk import FailingDisk
from tmsd.audit.chain_file import ChainFile
from tmsd.audit.log import MAX_KEPT_RECEIPTS, AuditLog
from tmsd.audit.record import MAX_RECEIPTS, Record
from tmsd.audit.trail import Trail, recorded
from tmsd.audit.verification import Reason, verify
from tmsd.errors import Code, ServiceError

ROOT = Path(__file__).parents[2]


class Disk:
    """Stands before os.fsync: counts, can hold it up, and calls through."""

    def __init__(self) -> None:
        self._fsync = os.fsync
        self.fsyncs = 0
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def fsync(self, descriptor: int) -> None:
        self.fsyncs += 1
        self.entered.set()
        assert self.go_on.wait(20), "the event loop never let the disk go on: it was blocked"
        self._fsync(descriptor)

    def hold(self) -> None:
        """Make the next fsync wait."""
        self.go_on.clear()
        self.entered.clear()

    async def held(self) -> None:
        """Return when an fsync was called."""
        assert await asyncio.to_thread(self.entered.wait, 20)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def contents(path: Path) -> bytes:
    return path.read_bytes()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def move(source: Path, target: Path) -> None:
    source.rename(target)


def operations(path: Path) -> list[str]:
    return [record.decision.operation for record in records_in(path)]


async def refusal_of(log: AuditLog, number: int = 1) -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        await log.record(decision(number))
    assert refusal.value.code is Code.AUDIT_UNAVAILABLE
    return refusal.value


async def test_a_record_is_in_the_file_when_the_caller_has_it(path: Path) -> None:
    async with AuditLog.open(path) as log:
        record = await log.record(decision())
        assert contents(path).endswith(record.encode())
    assert record.decision == decision()
    assert operations(path) == ["audit-opened", "tks.sessions.open"]


async def test_no_caller_has_its_record_before_fsync_has_returned(path: Path, disk: Disk) -> None:
    async with AuditLog.open(path) as log:
        disk.hold()
        caller = asyncio.create_task(log.record(decision()))
        await disk.held()
        await asyncio.sleep(0.02)
        assert not caller.done()
        disk.go_on.set()
        await caller


async def test_two_hundred_callers_at_once_share_one_fsync(path: Path, disk: Disk) -> None:
    async with AuditLog.open(path) as log:
        before = disk.fsyncs
        records = await asyncio.gather(*(log.record(decision(n)) for n in range(200)))
        assert disk.fsyncs - before == 1
    assert [record.sequence for record in records] == list(range(2, 202))
    assert records_in(path)[1:] == records
    assert verify(path).clean


async def test_callers_that_come_during_an_fsync_share_the_next_one(path: Path, disk: Disk) -> None:
    async with AuditLog.open(path) as log:
        before = disk.fsyncs
        disk.hold()
        first = asyncio.create_task(log.record(decision(0)))
        await disk.held()
        later = [asyncio.create_task(log.record(decision(n))) for n in range(1, 200)]
        await asyncio.sleep(0)
        disk.go_on.set()
        await asyncio.gather(first, *later)
        assert disk.fsyncs - before == 2


async def test_the_event_loop_runs_on_while_the_disk_is_slow(path: Path, disk: Disk) -> None:
    async with AuditLog.open(path) as log:
        disk.hold()
        caller = asyncio.create_task(log.record(decision()))
        await disk.held()  # the fsync waits in its thread until this very loop lets it go on
        disk.go_on.set()
        await caller


async def test_a_cancelled_caller_leaves_its_record_and_an_unbroken_chain(
    path: Path, disk: Disk
) -> None:
    async with AuditLog.open(path) as log:
        disk.hold()
        on_its_way = asyncio.create_task(log.record(decision(1)))
        await disk.held()
        queued = asyncio.create_task(log.record(decision(2)))
        await asyncio.sleep(0)
        on_its_way.cancel()
        queued.cancel()
        disk.go_on.set()
        await log.record(decision(3))
        assert on_its_way.cancelled()
        assert queued.cancelled()
    assert [record.decision for record in records_in(path)[1:]] == [decision(n) for n in (1, 2, 3)]
    assert verify(path).clean


async def test_leaving_writes_what_still_waits_and_then_records_no_more(path: Path) -> None:
    async with AuditLog.open(path) as log:
        waiting = [asyncio.create_task(log.record(decision(n))) for n in range(5)]
        await asyncio.sleep(0)
    assert all(task.done() for task in waiting)
    assert len(records_in(path)) == 6
    await refusal_of(log)


async def test_a_log_cancelled_as_a_whole_frees_the_file_and_refuses_who_waits(
    path: Path, disk: Disk
) -> None:
    opened: asyncio.Future[AuditLog] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with AuditLog.open(path) as log:
            opened.set_result(log)
            await asyncio.Event().wait()

    daemon = asyncio.create_task(run())
    log = await opened
    disk.hold()
    caller = asyncio.create_task(refusal_of(log))
    await disk.held()
    daemon.cancel()  # leaves the body
    await asyncio.sleep(0)
    daemon.cancel()  # interrupts the wait for the last batch too
    threading.Timer(0.05, disk.go_on.set).start()
    with pytest.raises(asyncio.CancelledError):
        await daemon
    await caller
    with ChainFile.open(path):
        assert verify(path).clean


async def test_more_callers_than_the_queue_holds_are_refused_and_accounted_for(
    path: Path, disk: Disk
) -> None:
    async with AuditLog.open(path, queue_limit=2) as log:
        disk.hold()
        on_its_way = asyncio.create_task(log.record(decision(1)))
        await disk.held()
        queued = [asyncio.create_task(log.record(decision(n))) for n in (2, 3)]
        await asyncio.sleep(0)
        await refusal_of(log, 4)
        disk.go_on.set()
        await asyncio.gather(on_its_way, *queued)
    discarded = records_in(path)[2].decision
    assert discarded.operation == "records-discarded"
    assert discarded.details == {"count": 1}
    assert len(records_in(path)) == 5


async def test_a_failed_fsync_refuses_everybody_in_the_batch_and_the_chain_goes_on(
    failing_disk: FailingDisk,
) -> None:
    path = failing_disk.path / "audit.log"
    async with AuditLog.open(path) as log:
        acknowledged = await log.record(decision(1))
        length = len(contents(path))
        with failing_disk.failing(path):
            await asyncio.gather(*(refusal_of(log, n) for n in (2, 3)))
            assert len(contents(path)) == length
            assert "Input/output error" in (log.fault or "")
        record = await log.record(decision(4))
        assert log.fault is None
        assert record.sequence == acknowledged.sequence + 2
    failing_disk.remount()
    assert operations(path)[2:] == ["records-discarded", "tks.sessions.open"]
    assert verify(path).clean


async def test_after_a_failed_fsync_nothing_is_taken_before_the_old_end_is_durable_again(
    failing_disk: FailingDisk, disk: Disk
) -> None:
    path = failing_disk.path / "audit.log"
    async with AuditLog.open(path) as log:
        await log.record(decision(1))
        with failing_disk.failing(path):
            for number in (2, 3, 4):  # the second and third fail in writing the old end again
                await refusal_of(log, number)
        before = disk.fsyncs
        await log.record(decision(5))
        assert disk.fsyncs - before == 2
    failing_disk.remount()
    assert records_in(path)[2].decision.details == {"count": 3}
    assert verify(path).clean


async def test_an_answer_tells_nothing_of_the_cause_but_operators_are_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AuditLog.open(path) as log:
        move(path, path.with_name("elsewhere"))
        refusals = [await refusal_of(log) for _ in range(3)]
        assert str(path) not in str(refusals[0])
        assert log.fault == f"{path} was removed; put it back or restart"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_removed_file_refuses_until_it_is_put_back(path: Path, tmp_path: Path) -> None:
    async with AuditLog.open(path) as log:
        move(path, tmp_path / "elsewhere")
        await refusal_of(log)
        move(tmp_path / "elsewhere", path)
        await log.record(decision())
    assert verify(path).clean


async def test_a_replaced_file_is_not_written_to(path: Path, tmp_path: Path) -> None:
    async with AuditLog.open(path) as log:
        move(path, tmp_path / "rotated")
        empty(path)
        refusal = await refusal_of(log)
        assert "replaced" in str(refusal.__cause__)
        assert contents(path) == b""
    assert operations(tmp_path / "rotated") == ["audit-opened"]


async def test_a_log_that_nobody_asks_recovers_by_itself(
    path: Path, tmp_path: Path, disk: Disk
) -> None:
    async with AuditLog.open(path, retry_seconds=0.01) as log:
        move(path, tmp_path / "elsewhere")
        await refusal_of(log)
        move(tmp_path / "elsewhere", path)
        disk.entered.clear()
        await disk.held()
    assert log.fault is None
    assert operations(path) == ["audit-opened", "records-discarded"]


async def test_what_was_discarded_is_accounted_for_with_what_workers_did_for_it(
    path: Path, tmp_path: Path
) -> None:
    done = [receipt(number) for number in range(1, 72)]
    async with AuditLog.open(path) as log:
        await log.record(with_receipts(done[:1]))
        move(path, tmp_path / "elsewhere")
        for lost in (done[1:33], done[33:40]):
            with pytest.raises(ServiceError):
                await log.record(with_receipts(lost))
        with pytest.raises(ServiceError):
            await log.record_together([with_receipts(done[40:70]), decision()])
        move(tmp_path / "elsewhere", path)
        await log.record(with_receipts(done[70:]))

    accounts = [record.decision for record in records_in(path)[2:-1]]
    assert [account.operation for account in accounts] == [
        "records-discarded",
        "records-discarded.receipts",
        "records-discarded.receipts",
    ]
    assert accounts[0].details == {"count": 3}
    assert [each for account in accounts for each in account.receipts] == done[1:70]
    assert verify(path).clean


async def test_what_it_could_not_keep_of_the_discarded_is_counted_and_missed(
    path: Path, tmp_path: Path
) -> None:
    number = MAX_KEPT_RECEIPTS + 5
    done = [receipt(each) for each in range(1, number + 2)]
    async with AuditLog.open(path) as log:
        move(path, tmp_path / "elsewhere")
        for start in range(0, number, MAX_RECEIPTS):
            with pytest.raises(ServiceError):
                await log.record(with_receipts(done[start : min(start + MAX_RECEIPTS, number)]))
        move(tmp_path / "elsewhere", path)
        await log.record(with_receipts(done[number:]))

    assert records_in(path)[1].decision.details["unnamed"] == 5
    (fault,) = verify(path).faults
    assert fault.reason is Reason.RECEIPTS_MISSING
    assert f"answers {number - 4} to {number} of worker" in fault.detail


async def test_while_nothing_can_be_recorded_nothing_is_begun(path: Path, tmp_path: Path) -> None:
    begun = []

    async def ask(log: AuditLog) -> None:
        async with recorded(log, Trail("tks.random", request_id="one")):
            begun.append(log.fault)

    async with AuditLog.open(path) as log:
        move(path, tmp_path / "elsewhere")
        for _ in range(2):
            with pytest.raises(ServiceError):
                await ask(log)
        assert begun == []
        move(tmp_path / "elsewhere", path)
        await ask(log)

    assert begun == [None]
    assert operations(path) == ["audit-opened", "records-discarded", "tks.random"]
    assert records_in(path)[1].decision.details == {"count": 2}


async def test_a_writer_that_ends_unexpectedly_refuses_everybody_instead_of_hanging(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> list[Record]:
        raise MemoryError

    async def run() -> None:
        async with AuditLog.open(path) as log:
            monkeypatch.setattr(ChainFile, "append", out_of_memory)
            await refusal_of(log)
            await refusal_of(log)

    with pytest.raises(MemoryError):
        await run()


def test_a_full_disk_refuses_cuts_back_and_recovers_when_there_is_room(path: Path) -> None:
    program = Path(__file__).with_name("full_disk_writer.py")
    finished = subprocess.run(
        [sys.executable, str(program), str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(finished.stdout) == {
        "refusals": ["audit-unavailable"] * 40,
        "cut_back": True,
        "fault": "[Errno 27] File too large",
        "recovered": 20,
        "fault_after": None,
        "clean": True,
    }
    assert operations(path)[21] == "records-discarded"
    assert records_in(path)[21].decision.details == {"count": 40}


@pytest.mark.parametrize("acknowledgements", [1, 50, 400])
def test_a_process_killed_in_mid_stream_leaves_every_acknowledged_record(
    path: Path, acknowledgements: int
) -> None:
    program = Path(__file__).with_name("stream_writer.py")
    with subprocess.Popen(
        [sys.executable, str(program), str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout
        printed = list(itertools.islice(writer.stdout, acknowledgements))
        writer.kill()
        printed += writer.stdout
    acknowledged = {line.strip().decode() for line in printed if line.endswith(b"\n")}
    assert len(acknowledged) >= acknowledgements
    ChainFile.open(path).close()
    assert verify(path).clean
    assert acknowledged <= {record.decision.request_id for record in records_in(path)}
