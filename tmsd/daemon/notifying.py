"""Keeping the service manager informed how the daemon is, while it runs.

What is sent is in `tmsd/systemd/notifying.py`; here is when.
"""

import asyncio

from tmsd.daemon.operations import Operations
from tmsd.systemd.notifying import ServiceManager

_LOOKING_SECONDS = 1.0


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
