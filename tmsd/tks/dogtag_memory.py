"""What is remembered for TPSs of Dogtag from one request to the next, over all daemons.

They were given challenges, whose tickets their requests have no place for; and their cards had
session keys, which what they ask afterwards says nothing of.
"""

from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from tmsd.clock import monotonic, now_ms
from tmsd.errors import Code, ServiceError
from tmsd.store import dogtag_challenges, dogtag_vouchers
from tmsd.store.dogtag_vouchers import VouchedCard
from tmsd.store.store import Store
from tmsd.tks.card_failures import UseUp
from tmsd.tks.unverified_keys import UnverifiedKeys

# Each table then takes some 100 MB.
MAX_REMEMBERED = 250_000
VOUCHER_SECONDS = 300
_SWEEPING_SECONDS = 1.0
# Longer than a clock may run back, or two clocks may differ, without anybody noticing.
_GRACE_SECONDS = 10.0


class IssuedChallenges:
    """Challenges that callers were given, for as long as they can be used.

    Args:
        store: remembers them.
        seconds: how long one can be used.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._remember_ms = int((seconds + _GRACE_SECONDS) * 1000)
        self._sweep_at = 0.0
        self._remembered = 0

    async def keep(self, caller: str, challenge: bytes, ticket: bytes) -> None:
        """Remember the ticket of a challenge.

        Raises:
            ServiceError: `store-unavailable`; `overloaded`, when no more can be remembered.
        """
        await self._store.run(partial(self._keep, caller, sha256(challenge).digest(), ticket))

    async def ticket(self, caller: str, challenge: bytes) -> bytes | None:
        """Return the ticket of a challenge; None where this caller was not given it lately.

        Raises:
            ServiceError: `store-unavailable`.
        """
        digest = sha256(challenge).digest()
        return await self._store.run(partial(dogtag_challenges.find, caller=caller, digest=digest))

    def _keep(self, caller: str, digest: bytes, ticket: bytes, connection: Connection) -> None:
        now = now_ms()
        if monotonic() >= self._sweep_at:
            self._remembered = dogtag_challenges.forget_expired(connection, now)
            self._sweep_at = monotonic() + _SWEEPING_SECONDS
        _require_room(self._remembered, "challenges were issued")
        dogtag_challenges.put(connection, caller, digest, ticket, now + self._remember_ms)
        self._remembered += 1


class Vouchers:
    """The latest voucher of each card, for as long as it is worth something.

    Args:
        store: remembers them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sweep_at = 0.0
        self._remembered = 0

    async def keep(self, card: VouchedCard, voucher: bytes) -> None:
        """Remember a voucher.

        Raises:
            ServiceError: as what `keeping` returns; `store-unavailable`.
        """
        await self._store.run(self.keeping(card, voucher))

    def keeping(self, card: VouchedCard, voucher: bytes) -> UseUp:
        """Return what remembers a voucher, in a transaction of the store.

        It raises `ServiceError`: `overloaded`, when no more can be remembered.
        """
        return partial(self._keep, card, voucher)

    async def of(self, card: VouchedCard) -> bytes | None:
        """Return a card's voucher; None where it had no session keys lately.

        Raises:
            ServiceError: `store-unavailable`.
        """
        return await self._store.run(partial(dogtag_vouchers.find, card=card))

    def _keep(self, card: VouchedCard, voucher: bytes, connection: Connection) -> None:
        now = now_ms()
        if monotonic() >= self._sweep_at:
            self._remembered = dogtag_vouchers.forget_expired(connection, now)
            self._sweep_at = monotonic() + _SWEEPING_SECONDS
        _require_room(self._remembered, "cards had session keys")
        expires_ms = now + int((VOUCHER_SECONDS + _GRACE_SECONDS) * 1000)
        dogtag_vouchers.put(connection, card, voucher, expires_ms)
        self._remembered += 1


@dataclass(frozen=True, slots=True)
class DogtagMemory:
    """All that is remembered; no reload of the policy forgets it."""

    challenges: IssuedChallenges
    vouchers: Vouchers
    unverified: UnverifiedKeys


def _require_room(remembered: int, what: str) -> None:
    if remembered >= MAX_REMEMBERED:
        raise ServiceError(Code.OVERLOADED, f"too many {what} lately")
