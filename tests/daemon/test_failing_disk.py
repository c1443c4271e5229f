"""A disk that fails under the audit log: a real one, by whose errors nothing is acknowledged."""

import os
import signal
from pathlib import Path

import pytest

from tests.site.batches import AES128
from tests.site.changeovers import DES_OPEN
from tests.site.channels import (
    CHALLENGES,
    RANDOM,
    SESSIONS,
    open_channel,
    presented,
    put_key,
    session_request,
)
from tests.site.failing_disk import FailingDisk
from tests.site.fixtures import Run
from tmsd.audit.verification import verify


def appended(file: Path, content: bytes) -> int:
    """Append to a file without syncing it; return the descriptor."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, content)
    return descriptor


def test_on_this_disk_a_second_fsync_succeeds_and_nothing_was_written(
    failing_disk: FailingDisk,
) -> None:
    # Why the log does not believe it: it is here so that the tests below are known to matter.
    file = failing_disk.path / "file"
    file.write_bytes(b"first")
    with file.open("rb") as opened:
        os.fsync(opened)
    with failing_disk.failing(file):
        descriptor = appended(file, b", second")
        with pytest.raises(OSError, match="Input/output error"):
            os.fsync(descriptor)
        os.fsync(descriptor)
        os.close(descriptor)
        assert file.read_bytes() == b"first, second"

    failing_disk.remount()

    assert b"second" not in file.read_bytes()


def test_nothing_is_acknowledged_that_the_disk_does_not_have(
    run: Run, failing_disk: FailingDisk
) -> None:
    site = run(audit_directory=str(failing_disk.path))
    log = site.site.audit_file
    with site.caller() as caller:
        acknowledged = [caller.post(RANDOM, {"length": 16}) for _ in range(3)]
        card = presented(caller, AES128, AES128.card())
        with failing_disk.failing(log):
            refused = [
                caller.post(SESSIONS, session_request(card)),
                caller.post(RANDOM, {"length": 16}),
                caller.post(CHALLENGES, {"length": 8}),
            ]
        acknowledged += [caller.post(RANDOM, {"length": 16}) for _ in range(3)]
        used = caller.post(SESSIONS, session_request(card))
    assert site.daemon.stop() == 0
    failing_disk.remount()

    for answer in refused:
        assert (answer.status, answer.code) == (503, "audit-unavailable")
        assert not {"random", "session", "host_cryptogram", "challenge"} & answer.document.keys()
        assert site.trail.of_request(answer.request_id) == []
    for answer in acknowledged:
        assert answer.status == 200
        assert len(site.trail.of_request(answer.request_id)) == 1
    assert used.code == "challenge-used", "a worker was asked before the disk was known to fail"
    assert verify(log).clean
    (account,) = [
        record.decision
        for record in site.trail.records
        if record.decision.operation == "records-discarded"
    ]
    assert account.details == {"count": 3}
    assert [receipt.operation for receipt in account.receipts] == ["open-channel"]
    assert "cannot be written: [Errno 5] Input/output error" in site.daemon.log
    assert site.daemon.log.count("cannot be written") == 1
    assert "is written again" in site.daemon.log


def test_a_daemon_that_is_killed_while_the_disk_fails_goes_on_from_what_the_disk_has(
    run: Run, failing_disk: FailingDisk
) -> None:
    site = run(audit_directory=str(failing_disk.path))
    log = site.site.audit_file
    with site.caller() as caller:
        acknowledged = caller.post(RANDOM, {"length": 16})
        with failing_disk.failing(log):
            assert caller.post(RANDOM, {"length": 16}).code == "audit-unavailable"
            site.daemon.send(signal.SIGKILL)
            site.daemon.wait()
    failing_disk.remount()

    with site.restarted() as again, again.caller() as caller:
        assert caller.post(RANDOM, {"length": 16}).status == 200
        assert again.daemon.stop() == 0

    assert len(site.trail.of_request(acknowledged.request_id)) == 1
    assert verify(log).clean


def test_a_full_disk_refuses_everybody_until_there_is_room(
    run: Run, failing_disk: FailingDisk
) -> None:
    site = run(audit_directory=str(failing_disk.path))
    log = site.site.audit_file
    with site.caller() as caller:
        with failing_disk.full():
            # The last block of the file has room for some.
            answers = [caller.post(RANDOM, {"length": 16}) for _ in range(40)]
        answers.append(caller.post(RANDOM, {"length": 16}))
    assert site.daemon.stop() == 0
    failing_disk.remount()

    assert {answer.code for answer in answers[-11:-1]} == {"audit-unavailable"}
    for answer in answers:
        assert len(site.trail.of_request(answer.request_id)) == (answer.status == 200)
    assert answers[-1].status == 200
    assert "cannot be written: [Errno 28] No space left on device" in site.daemon.log
    assert verify(log).clean


def test_no_put_key_leaves_whose_record_the_disk_refuses(
    run: Run, failing_disk: FailingDisk
) -> None:
    site = run(batches=(AES128, DES_OPEN), audit_directory=str(failing_disk.path))
    with site.caller() as caller:
        session = open_channel(caller, DES_OPEN, DES_OPEN.card())
        with failing_disk.failing(site.site.audit_file):
            refused = put_key(caller, session, DES_OPEN, 2)

        assert (refused.status, refused.code) == (503, "audit-unavailable")
        assert not {"apdu", "key_check_values", "session"} & refused.document.keys()
        assert put_key(caller, session, DES_OPEN, 2).status == 200
    assert site.daemon.stop() == 0
