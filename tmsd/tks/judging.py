"""Judging cards: only as many of a caller's at once as may fail, and each of them alone.

What a card costs is known when the HSM has answered. Without turns, requests at one moment would
all be asked by one look at the counts, and however few failures are left, so many guesses pass.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tmsd.config.callers import Caller
from tmsd.errors import Code, ServiceError
from tmsd.store.card_failures import CardOfCaller
from tmsd.tks.budgets import Budgets
from tmsd.tks.card_failures import CardFailures, UseUp


@dataclass(slots=True)
class _AtWork:
    """Of one caller: the cards that are being judged, and how many requests wait for a turn."""

    cards: set[CardOfCaller] = field(default_factory=set)
    waiting: int = 0
    freed: asyncio.Event = field(default_factory=asyncio.Event)


class Judging:
    """Gives turns, and counts what comes of them.

    Args:
        budgets: of failures, by caller.
        card_failures: the back-off, by caller and card.
        max_waiting: how many requests of one caller may wait for a turn.
        seconds: how long one may wait.
    """

    def __init__(
        self, budgets: Budgets, card_failures: CardFailures, max_waiting: int, seconds: float
    ) -> None:
        self._budgets = budgets
        self._card_failures = card_failures
        self._max_waiting = max_waiting
        self._seconds = seconds
        self._of_caller: defaultdict[str, _AtWork] = defaultdict(_AtWork)

    @asynccontextmanager
    async def turn(self, caller: Caller, card: CardOfCaller) -> AsyncIterator[None]:
        """Wait until a card may be judged; it is this request's until the block is left.

        Raises:
            ServiceError: `backing-off`; `rate-limited`, when too many of the caller's cards
                failed; `overloaded`, when too many requests wait, or this one did too long.
        """
        at_work = self._of_caller[caller.name]
        if not self._may_begin(caller, card, at_work):
            await self._wait(caller, card, at_work)
        at_work.cards.add(card)
        try:
            yield
        finally:
            at_work.cards.remove(card)
            if at_work.waiting:
                at_work.freed.set()
                at_work.freed = asyncio.Event()

    async def failed(
        self, caller: Caller, card: CardOfCaller, use_up: UseUp, callers: Collection[str]
    ) -> int:
        """Count a failure; return with how many callers the card failed lately.

        Args:
            caller: who presented the card.
            card: that was judged.
            use_up: done in the same transaction.
            callers: the others that are looked at.

        Raises:
            ServiceError: `backing-off`, when it failed at another daemon too shortly before, and
                nothing was done; `store-unavailable`; as `use_up`.
        """
        fails_with = await self._card_failures.failed(card, use_up, callers)
        self._budgets.spend_failure(caller)
        return fails_with

    async def succeeded(self, card: CardOfCaller, use_up: UseUp) -> None:
        """Forget the card's failures.

        Raises:
            ServiceError: as for `failed`.
        """
        await self._card_failures.succeeded(card, use_up)

    def _may_begin(self, caller: Caller, card: CardOfCaller, at_work: _AtWork) -> bool:
        self._card_failures.require_calm(card)
        if not at_work.cards:
            self._budgets.require_failures_left(caller)
            return True
        left = self._budgets.failures_left(caller)
        return card not in at_work.cards and left >= len(at_work.cards) + 1

    async def _wait(self, caller: Caller, card: CardOfCaller, at_work: _AtWork) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._next_change(caller, at_work)
                while not self._may_begin(caller, card, at_work):
                    await self._next_change(caller, at_work)
        except TimeoutError:
            raise _overloaded(caller) from None

    async def _next_change(self, caller: Caller, at_work: _AtWork) -> None:
        if at_work.waiting >= self._max_waiting:
            raise _overloaded(caller)
        at_work.waiting += 1
        try:
            await at_work.freed.wait()
        finally:
            at_work.waiting -= 1


def _overloaded(caller: Caller) -> ServiceError:
    return ServiceError(
        Code.OVERLOADED, f"too many requests of {caller.name} wait for cards to be judged"
    )
