"""What a caller may spend: requests by the second, and failures of cards by the minute.

Each caller has buckets of its own that fill up as time goes by (by the monotonic clock), so
that no caller can spend another's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tmsd.clock import monotonic
from tmsd.config.callers import Caller
from tmsd.errors import Code, ServiceError

_MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """So many tokens fit in, and so many come back each second."""

    capacity: float
    per_second: float
    level: float
    filled_at: float

    def wait_for_one(self, now: float) -> float:
        """Return in how many seconds there is a token; 0 where there is one."""
        return max(0.0, (1 - self.filled(now)) / self.per_second)

    def take(self, now: float) -> None:
        """Take a token, if there is one."""
        self.level = max(0.0, self.filled(now) - 1)

    def filled(self, now: float) -> float:
        """Let in what came back, and return how many tokens there are."""
        elapsed = max(0.0, now - self.filled_at)
        self.level = min(self.capacity, self.level + elapsed * self.per_second)
        self.filled_at = now
        return self.level


class Budgets:
    """The buckets of every caller.

    Args:
        now: the monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def spend_request(self, caller: Caller) -> None:
        """Admit a request.

        Raises:
            ServiceError: `rate-limited`, with the time until the next is admitted.
        """
        bucket = self._bucket(caller, "requests", caller.burst, caller.requests_per_second)
        self._require(
            bucket, f"{caller.name} may ask {caller.requests_per_second:g} times a second"
        )
        bucket.take(self._now())

    def require_failures_left(self, caller: Caller) -> None:
        """Refuse to look at another card while too many failed.

        Raises:
            ServiceError: `rate-limited`, with the time until another may fail.
        """
        limit = f"{caller.failures_per_minute} cards of {caller.name} may fail in a minute"
        self._require(self._failures(caller), limit)

    def failures_left(self, caller: Caller) -> float:
        """Return how many more cards of a caller may fail now."""
        return self._failures(caller).filled(self._now())

    def spend_failure(self, caller: Caller) -> None:
        """Charge a failure of a card to who presented it."""
        self._failures(caller).take(self._now())

    def _failures(self, caller: Caller) -> Bucket:
        per_minute = caller.failures_per_minute
        return self._bucket(caller, "failures", per_minute, per_minute / _MINUTE)

    def _bucket(self, caller: Caller, kind: str, capacity: float, per_second: float) -> Bucket:
        bucket = self._buckets.get((caller.name, kind))
        if bucket is None or (bucket.capacity, bucket.per_second) != (capacity, per_second):
            bucket = Bucket(capacity, per_second, capacity, self._now())
            self._buckets[caller.name, kind] = bucket
        return bucket

    def _require(self, bucket: Bucket, limit: str) -> None:
        wait = bucket.wait_for_one(self._now())
        if wait > 0:
            raise ServiceError(Code.RATE_LIMITED, limit, retry_after=wait)
