"""Host challenges are used once: which ones were."""

import time
from collections import OrderedDict
from hashlib import sha256

from tmsd.errors import Code, ServiceError

# At 60 seconds a ticket, this is 4,000 channels a second; the table then takes some 40 MB.
MAX_REMEMBERED = 250_000


class UsedChallenges:
    """Tickets that were used, for as long as they could be used again."""

    def __init__(self, remember_seconds: float) -> None:
        self._remember_seconds = remember_seconds
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def use(self, ticket: bytes) -> None:
        """Use a genuine ticket up.

        Raises:
            ServiceError: `challenge-used`; `overloaded`, when no more can be remembered.
        """
        now = time.monotonic()
        self._forget(now)
        digest = sha256(ticket).digest()
        if digest in self._used:
            raise ServiceError(
                Code.CHALLENGE_USED,
                "every channel takes a challenge of its own; ask for a new one",
                pointer="/card/challenge",
            )
        if len(self._used) >= MAX_REMEMBERED:
            raise ServiceError(Code.OVERLOADED, "too many challenges were used within a minute")
        self._used[digest] = now + self._remember_seconds

    def _forget(self, now: float) -> None:
        while self._used and next(iter(self._used.values())) <= now:
            self._used.popitem(last=False)
