"""A call into a module may never return, and nothing but the end of its process stops it.

The end comes by SIGALRM, which kills without a handler: Python's own handlers of signals do not
run during a call.
"""

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from time import monotonic
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# An alarm is put back that has gone off by now; no time at all would take it back.
_AT_ONCE = 1e-6


# How many times as long as a call may take an alarm that calls share is set for.
_SHARED = 2


@dataclass(slots=True)
class _Limit:
    """How long one call may take.

    Attributes:
        seconds: None for any time.
        shared: the alarm that calls share at the moment.
    """

    seconds: float | None = None
    shared: "SharedAlarm | None" = None


_CALLS = _Limit()


class SharedAlarm:
    """One alarm for many calls in quick succession, as to set one and to put it back takes a while.

    Within the block each call has the time that `limit_calls` gives it, and the process ends when
    one takes twice as long, or anything else between two.
    """

    def __enter__(self) -> None:
        self._renewed_at = self._around_at = math.inf
        seconds = _CALLS.seconds
        if seconds is None or _CALLS.shared is not None:
            return
        _CALLS.shared = self
        now, around = monotonic(), _set_alarm(seconds * _SHARED)
        self._around_at = now + around if around else math.inf
        self._renewed_at = now + seconds

    def __exit__(self, *_raised: object) -> None:
        if _CALLS.shared is not self:
            return
        _CALLS.shared = None
        left = self._around_at - monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0 if left == math.inf else max(left, _AT_ONCE))

    def renew(self, seconds: float) -> None:
        """Set the alarm anew unless there is as long left as a call may take."""
        now = monotonic()
        if now > self._renewed_at:
            left = min(seconds * _SHARED, self._around_at - now)
            signal.setitimer(signal.ITIMER_REAL, max(left, _AT_ONCE))
            self._renewed_at = now + seconds


@contextmanager
def process_ending_after(seconds: float) -> Iterator[None]:
    """End this process by SIGALRM unless the block is left in time.

    Blocks may stand in one another; the shortest time holds.

    Args:
        seconds: more than none.
    """
    begun, around = monotonic(), _set_alarm(seconds)
    try:
        yield
    finally:
        _put_back(around, begun)


def limit_calls(seconds: float) -> None:
    """From now on, end this process by SIGALRM when one call into a module takes longer."""
    _CALLS.seconds = seconds


def limited(function: Callable[P, T]) -> Callable[P, T]:
    """Hold a function that calls a module to `limit_calls`; what it calls itself is part of it."""

    @wraps(function)
    def in_time(*args: P.args, **kwargs: P.kwargs) -> T:
        seconds = _CALLS.seconds
        if seconds is None:
            return function(*args, **kwargs)
        if _CALLS.shared is not None:
            _CALLS.shared.renew(seconds)
            return function(*args, **kwargs)
        _CALLS.seconds = None
        begun, around = monotonic(), _set_alarm(seconds)
        try:
            return function(*args, **kwargs)
        finally:
            _put_back(around, begun)
            _CALLS.seconds = seconds

    return in_time


def _set_alarm(seconds: float) -> float:
    """Set the alarm, unless the one before is sooner; return how long that one had to go."""
    around, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    if 0 < around < seconds:
        signal.setitimer(signal.ITIMER_REAL, around)
    return around


def _put_back(around: float, begun: float) -> None:
    """Set the alarm as it was, less the time since then; none where there was none."""
    left = max(around - (monotonic() - begun), _AT_ONCE) if around else 0
    signal.setitimer(signal.ITIMER_REAL, left)
