"""The file that holds one chain: locked, continued where it ended, appended to durably.

Blocking; tmsd/audit/log.py calls it from a thread of its own. What it has
acknowledged is on the disk and is never written over, save with the same bytes.
"""

import fcntl
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from tmsd import clock
from tmsd.audit.record import MAX_LINE, Decision, Outcome, Record, RecordError

AUDIT_OPENED = "audit-opened"
LOG_REPAIRED = "log-repaired"

_BLOCK = 64 * 1024
CLOCK_TOLERANCE = timedelta(seconds=1)


class AuditFileError(Exception):
    """The file cannot be trusted or used as it is: says which, why, and what would be right."""


class ClockUnreliable(AuditFileError):
    """The clock is behind the last record: what expires by it would live again."""


class ChainFile:
    """An open chain file. It is locked from `open` to `close`, so that it has one writer.

    Args:
        path: where the file stands; it must stay there while this is open.
        descriptor: the file, open for reading and writing, and locked.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._length = 0  # of what was acknowledged, in bytes
        self._last: Record | None = None
        self._suspect = False  # what is beyond _length, or shares its block, may be half written

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create (mode 0600) the file, check its last record, and begin a run.

        Bytes after the last newline were never acknowledged: they are cut off. When this
        returns, "audit-opened" and, after a cut, "log-repaired" are on the disk.

        Raises:
            AuditFileError: the file is in use, is not a regular file, may be written by
                others, or its last line is complete and yet no valid record.
            OSError: the system refused.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        chain = cls(path, os.open(path, flags, 0o600))
        try:
            chain._lock()
            chain._check_kind()
            chain._check_place()
            _sync_directory(path.parent)
            chain._begin_run()
        except BaseException:
            chain.close()
            raise
        return chain

    def close(self) -> None:
        """Close the file and let go of its lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def append(self, decisions: Sequence[Decision]) -> list[Record]:
        """Write one record per decision, in order, and fsync once; all or none.

        After an error the chain stands where it stood, and the next call tries again.

        Raises:
            AuditFileError: the file was removed, replaced, or written to by another hand.
            ClockUnreliable: the clock is behind the last record.
            OSError: the system refused: disk full, input/output error.
        """
        self._check_place()
        if self._suspect:
            self._restore()
        self._check_length()
        records: list[Record] = []
        last = self._last
        time = _time_after(last)
        for decision in decisions:
            last = Record.following(last, time, decision)
            records.append(last)
        self._write_durably(b"".join(record.encode() for record in records))
        self._last = last
        return records

    def obstacle(self) -> str | None:
        """Return what would refuse a record now, as far as it shows without writing one."""
        try:
            self._check_place()
            _time_after(self._last)
        except (AuditFileError, OSError) as error:
            return str(error)
        return None

    def _begin_run(self) -> None:
        size = os.fstat(self._descriptor).st_size
        self._length = self._end_of_line_before(size)
        self._last = self._read_last_record()
        decisions = [
            Decision(
                operation=AUDIT_OPENED, outcome=Outcome.ALLOWED, details={"process": os.getpid()}
            )
        ]
        if torn := size - self._length:
            os.ftruncate(self._descriptor, self._length)
            decisions.append(
                Decision(
                    operation=LOG_REPAIRED, outcome=Outcome.ALLOWED, details={"bytes_cut": torn}
                )
            )
        self.append(decisions)

    def _read_last_record(self) -> Record | None:
        if not self._length:
            return None
        start = self._end_of_line_before(self._length - 1)
        # One byte more than a line may have is enough to see that it is too long.
        line = os.pread(self._descriptor, min(self._length - start, MAX_LINE + 1), start)
        try:
            return _intact_record(line)
        except RecordError as error:
            raise AuditFileError(
                f"{self.path}: line {self._count_lines()} is no valid record: {error}. Verify the "
                "file, keep it as evidence, and begin a new one in its place"
            ) from error

    def _write_durably(self, data: bytes) -> None:
        self._suspect = True  # until fsync has said otherwise
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], self._length + written)
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):  # _restore cuts again; this is so that no reader sees the rest
                os.ftruncate(self._descriptor, self._length)
            raise
        self._length += len(data)
        self._suspect = False

    def _restore(self) -> None:
        """Bring file and disk back to the last acknowledged record after a failed write.

        Linux marks pages clean when their write-back fails: a second fsync succeeds and
        proves nothing, and a new descriptor knows no more than this one. The one block
        that a failed write shares with acknowledged records holds the end of the last
        record. So that record is written again, which makes its pages dirty, fsynced,
        and read back after asking the kernel to forget its copy.
        """
        if os.fstat(self._descriptor).st_size > self._length:
            os.ftruncate(self._descriptor, self._length)
        self._check_length()
        line = self._last.encode() if self._last else b""
        start = self._length - len(line)
        if os.pwrite(self._descriptor, line, start) != len(line):
            raise AuditFileError(f"{self.path}: the last record could not be written again")
        os.fsync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if os.pread(self._descriptor, len(line), start) != line:
            raise AuditFileError(f"{self.path}: the last record does not read back as written")
        self._suspect = False

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AuditFileError(
                f"{self.path} is in use by another process; each needs an audit file of its own"
            ) from error

    def _check_kind(self) -> None:
        mode = os.fstat(self._descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise AuditFileError(f"{self.path} should be a regular file")
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise AuditFileError(
                f"{self.path} has mode {stat.S_IMODE(mode):04o} and may be written by others; "
                "it should be 0600"
            )

    def _check_place(self) -> None:
        try:
            there = self.path.lstat()
        except FileNotFoundError as error:
            raise AuditFileError(f"{self.path} was removed; put it back or restart") from error
        if not os.path.samestat(there, os.fstat(self._descriptor)):
            raise AuditFileError(f"{self.path} was replaced; put it back or restart")

    def _check_length(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size != self._length:
            raise AuditFileError(
                f"{self.path} has {size} bytes and should have {self._length}: "
                "another hand has written to it; keep it as evidence"
            )

    def _end_of_line_before(self, end: int) -> int:
        """Return the offset after the last newline before `end`; 0 where there is none."""
        while end > 0:
            start = max(0, end - _BLOCK)
            newline = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
        return 0

    def _count_lines(self) -> int:
        lines = 0
        for start in range(0, self._length, _BLOCK):
            block = os.pread(self._descriptor, min(_BLOCK, self._length - start), start)
            lines += block.count(b"\n")
        return lines


def _time_after(last: Record | None) -> datetime:
    """Return the time for the records after `last`, which is never before it.

    Raises:
        ClockUnreliable: the clock is behind by more than the small steps of time services.
    """
    now = clock.now()
    if last is None or now >= last.time:
        return now
    if last.time - now <= CLOCK_TOLERANCE:
        return last.time
    # Without the present time, so that it is the same fault for as long as it lasts.
    raise ClockUnreliable(
        f"the clock is behind the last record, of {last.time:%Y-%m-%d %H:%M:%S} UTC: set it right, "
        "or wait until it has caught up; if the record is from the future, stop the daemon and "
        "move the file away"
    )


def _intact_record(line: bytes) -> Record:
    record = Record.parse(line)
    if record.hash != record.computed_hash():
        raise RecordError("its hash is not the hash of its content")
    return record


def _sync_directory(path: Path) -> None:
    """Make the file's name durable; without this a crash may lose the whole new file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
