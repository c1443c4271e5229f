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
        begun_by: a call that begins by then, on the monotonic clock, has its end in time: by an
            alarm that is set already, or as it has none.
    """

    seconds: float | None = None
    shared: "SharedAlarm | None" = None
    begun_by: float = math.inf

    def lift(self) -> None:
        """Let calls take any time, as an alarm of their own is set."""
        self.seconds, self.begun_by = None, math.inf

    def impose(self, seconds: float | None) -> None:
        """Give each call so long from now on, by an alarm that is still to be set."""
        self.seconds, self.begun_by = seconds, math.inf if seconds is None else -math.inf


_CALLS = _Limit()


class SharedAlarm:
    """One alarm for many calls in quick succession, as to set one and to put it back takes a while.

    Within the block each call has the time that `limit_calls` gives it, and the process ends when
    one takes twice as long, or anything else between two. A block in another shares its alarm.

    Args:
        seconds: when the process ends at the latest unless the block is left.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        each = math.inf if _CALLS.seconds is None else _CALLS.seconds
        lasts = min(each * _SHARED, self._seconds)
        if lasts == math.inf or _CALLS.shared is not None:
            return
        now, around = monotonic(), _set_alarm(lasts)
        self._around_at = now + around if around else math.inf
        self._ends_at = min(self._around_at, now + self._seconds)
        _CALLS.shared, _CALLS.begun_by = self, now + each

    def __exit__(self, *_raised: object) -> None:
        if _CALLS.shared is not self:
            return
        _CALLS.shared = None
        _CALLS.impose(_CALLS.seconds)
        left = self._around_at - monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0 if left == math.inf else max(left, _AT_ONCE))

    def renew(self, each: float) -> None:
        """Set the alarm anew, as less is left of it than a call may take."""
        now = monotonic()
        left = min(each * _SHARED, self._ends_at - now)
        signal.setitimer(signal.ITIMER_REAL, max(left, _AT_ONCE))
        _CALLS.begun_by = now + each


def has_its_time() -> bool:
    """Say whether a call from here has its end in time without an alarm of its own.

    Where calls share one, the next has all the time of a call.
    """
    return monotonic() < _CALLS.begun_by or _has_renewed()


def _has_renewed() -> bool:
    if _CALLS.shared is None or _CALLS.seconds is None:
        return False
    _CALLS.shared.renew(_CALLS.seconds)
    return True


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
    _CALLS.impose(seconds)


def limited(function: Callable[P, T]) -> Callable[P, T]:
    """Hold a function that calls a module to `limit_calls`; what it calls itself is part of it."""

    @wraps(function)
    def in_time(*args: P.args, **kwargs: P.kwargs) -> T:
        seconds = _CALLS.seconds
        if seconds is None or has_its_time():
            return function(*args, **kwargs)
        _CALLS.lift()
        begun, around = monotonic(), _set_alarm(seconds)
        try:
            return function(*args, **kwargs)
        finally:
            _put_back(around, begun)
            _CALLS.impose(seconds)

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
