"""A program for the tests: an audit log on a disk that fills up and has room again.

The limit on the size of a file stands in for the disk: the kernel writes what fits and
refuses the rest, for root and ordinary users alike. Prints what it saw as JSON.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from pathlib import Path

from tmsd.audit.log import AuditLog
from tmsd.audit.record import Decision, Outcome, Record
from tmsd.audit.verification import verify
from tmsd.errors import ServiceError


def _decision(request_id: str) -> Decision:
    return Decision(operation="tks.random", outcome=Outcome.ALLOWED, request_id=request_id)


def _limit_file_size(length: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))


def _length(path: Path) -> int:
    return path.stat().st_size


async def _together(log: AuditLog, name: str) -> list[Record | BaseException]:
    attempts = (log.record(_decision(f"{name}-{number}")) for number in range(20))
    return await asyncio.gather(*attempts, return_exceptions=True)


async def _main(path: Path) -> None:
    async with AuditLog.open(path) as log:
        await _together(log, "before")
        length = _length(path)
        _limit_file_size(length + 1000)  # not a record's end: the write is cut short in the middle
        refused = [await _together(log, "full") for _ in range(2)]
        length_when_full = _length(path)
        fault = log.fault
        _limit_file_size(resource.RLIM_INFINITY)
        recovered = await _together(log, "after")
        fault_after = log.fault
    seen = {
        "refusals": [
            error.code if isinstance(error, ServiceError) else repr(error)
            for errors in refused
            for error in errors
        ],
        "cut_back": length_when_full == length,
        "fault": fault,
        "recovered": sum(isinstance(record, Record) for record in recovered),
        "fault_after": fault_after,
        "clean": verify(path).clean,
    }
    os.write(1, json.dumps(seen).encode())


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(_main(Path(sys.argv[1])))
