"""Host challenges are used once: which ones were, over every restart."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from tmsd.clock import monotonic, now_ms
from tmsd.errors import Code, ServiceError
from tmsd.store import used_challenges as table
from tmsd.store.store import Store

# At 60 seconds a ticket, this is 4,000 channels a second; the table then takes some 40 MB.
MAX_REMEMBERED = 250_000
_SWEEPING_SECONDS = 1.0
# Longer than a clock may run back, or two clocks may differ, without anybody noticing.
_GRACE_SECONDS = 10.0


class UsedChallenges:
    """Tickets that were used, for as long as they could be used again.

    Args:
        store: remembers them.
        remember_seconds: how long a ticket can be used.
    """

    def __init__(self, store: Store, remember_seconds: float) -> None:
        self._store = store
        self._remember_ms = int((remember_seconds + _GRACE_SECONDS) * 1000)
        self._sweep_at = 0.0
        self._remembered = 0

    async def use(self, ticket: bytes) -> None:
        """Use a genuine ticket up.

        Of several at one moment, over one front or many, one succeeds.

        Raises:
            ServiceError: as what `using` returns; `store-unavailable`.
        """
        await self._store.run(self.using(ticket))

    def using(self, ticket: bytes) -> Callable[[Connection], None]:
        """Return what uses a genuine ticket up, in a transaction of the store.

        It raises `ServiceError`: `challenge-used`; `overloaded`, when no more can be remembered.
        """
        return partial(self._use, sha256(ticket).digest())

    def _use(self, digest: bytes, connection: Connection) -> None:
        now = now_ms()
        self._sweep(connection, now)
        if not table.use(connection, digest, now + self._remember_ms):
            raise ServiceError(
                Code.CHALLENGE_USED,
                "every channel takes a challenge of its own; ask for a new one",
                pointer="/card/challenge",
            )
        if self._remembered >= MAX_REMEMBERED:
            raise ServiceError(Code.OVERLOADED, "too many challenges were used within a minute")
        self._remembered += 1

    def _sweep(self, connection: Connection, now: int) -> None:
        """Forget what has expired, every now and then."""
        if monotonic() >= self._sweep_at:
            self._remembered = table.forget_expired(connection, now)
            self._sweep_at = monotonic() + _SWEEPING_SECONDS
