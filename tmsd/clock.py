"""`now` and `now_ms` answer what time it is: expiry and records; `monotonic` how long: deadlines.

The clock on the wall can be stepped, and goes on while the machine is down. The monotonic one
never is, and means nothing to another boot. Nothing else in tmsd reads a clock
(docs/decisions/0013-two-clocks.md), which ruff holds.
"""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the time in UTC, as the clock on the wall has it."""
    return datetime.now(UTC)


def now_ms() -> int:
    """Return the same in milliseconds of Unix time, for what expires."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds by CLOCK_MONOTONIC, which every process of this boot shares."""
    return time.monotonic()
