"""A program for the tests: records without end, and prints each request id once acknowledged."""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from tmsd.audit.log import AuditLog
from tmsd.audit.record import Decision, Outcome


async def _record_forever(log: AuditLog, caller: int) -> None:
    for number in itertools.count():
        request_id = f"{caller}-{number}"
        await log.record(
            Decision(operation="tks.random", outcome=Outcome.ALLOWED, request_id=request_id)
        )
        os.write(1, f"{request_id}\n".encode())


async def _main() -> None:
    async with AuditLog.open(Path(sys.argv[1])) as log, asyncio.TaskGroup() as callers:
        for caller in range(40):
            callers.create_task(_record_forever(log, caller))


if __name__ == "__main__":
    asyncio.run(_main())
