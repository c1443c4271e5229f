"""How often session keys of one card may be had that nothing proved: by the minute.

Each card of each caller has a bucket that fills up as time goes by (by the monotonic clock). Those
that are full are forgotten; a caller that keeps too many others, which takes inventing cards, has
to wait, and nobody else does.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable

from tmsd.clock import monotonic
from tmsd.errors import Code, ServiceError
from tmsd.tks.budgets import Bucket

MAX_OF_CALLER = 10_000
"""Cards of one caller that can have had keys within a minute."""

_MINUTE = 60.0


class UnverifiedKeys:
    """The buckets of all cards.

    Args:
        now: the monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        # Who had a key last stands last.
        self._of_caller: defaultdict[str, OrderedDict[bytes, Bucket]] = defaultdict(OrderedDict)

    def spend(self, caller: str, card: bytes, per_minute: int) -> None:
        """Admit a request for a key.

        Args:
            caller: who asks.
            card: what tells it from others.
            per_minute: how many the policy allows.

        Raises:
            ServiceError: `rate-limited`, with the time until the next is admitted.
        """
        buckets, now = self._of_caller[caller], self._now()
        bucket = buckets.get(card)
        if bucket is None or bucket.capacity != per_minute:
            if bucket is None:
                self._make_room(caller, buckets, now)
            bucket = buckets[card] = Bucket(per_minute, per_minute / _MINUTE, per_minute, now)
        if (wait := bucket.wait_for_one(now)) > 0:
            raise ServiceError(
                Code.RATE_LIMITED,
                f"{caller} may have {per_minute} unverified keys of a card in a minute",
                retry_after=wait,
            )
        bucket.take(now)
        buckets.move_to_end(card)

    def _make_room(self, caller: str, buckets: OrderedDict[bytes, Bucket], now: float) -> None:
        if len(buckets) < MAX_OF_CALLER:
            return
        oldest = next(iter(buckets.values()))
        missing = oldest.capacity - oldest.filled(now)
        if missing > 0:
            raise ServiceError(
                Code.RATE_LIMITED,
                f"{caller} had unverified keys of {MAX_OF_CALLER} cards within a minute",
                retry_after=missing / oldest.per_second,
            )
        buckets.popitem(last=False)
