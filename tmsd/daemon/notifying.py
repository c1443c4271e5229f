"""Keeping the service manager informed while the daemon runs: that it lives, and how it is.

What is sent is in `tmsd/systemd/notifying.py`; here is when.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tmsd.daemon.operations import Operations
from tmsd.systemd.notifying import ServiceManager

_LOOKING_SECONDS = 1.0


@asynccontextmanager
async def kept_informed(manager: ServiceManager) -> AsyncIterator[None]:
    """Give words of life until left, and then say that the end has begun.

    They come from the loop that serves callers: if it hangs, they stop, and systemd kills and
    replaces the process.
    """
    living = asyncio.create_task(manager.keep_alive())
    try:
        yield
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def tell_changes(manager: ServiceManager, operations: Operations, serving: str) -> None:
    """Tell each change of state in a line, until cancelled.

    Args:
        manager: is told.
        operations: knows what is in the way of callers.
        serving: what to say while nothing is.
    """
    told = serving
    while True:
        await asyncio.sleep(_LOOKING_SECONDS)
        state = "; ".join(operations.obstacles()) or serving
        if state != told:
            manager.status(state)
            told = state
