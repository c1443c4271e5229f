"""A call into a module may never return, and nothing but the end of its process stops it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def process_ending_after(seconds: float) -> Iterator[None]:
    """End this process by SIGALRM unless the block is left in time; the main thread alone.

    Blocks may stand in one another; the shortest time holds. Python's own handlers of signals do
    not run during a call, so that the signal must have none.

    Args:
        seconds: more than none.
    """
    around, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    given = min(seconds, around) if around else seconds
    signal.setitimer(signal.ITIMER_REAL, given)
    try:
        yield
    finally:
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        if around:
            signal.setitimer(signal.ITIMER_REAL, around - given + left)
