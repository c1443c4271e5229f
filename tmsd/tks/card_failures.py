"""Cards that fail are asked again later and later: for each caller by itself, and never for good.

A card that fails with one caller is no word against it with another; one that fails with
several may be a forgery on its way, and is told to those who watch.
"""

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from tmsd.clock import now_ms
from tmsd.errors import Code, ServiceError
from tmsd.store import card_failures as table
from tmsd.store.card_failures import CardOfCaller, Failures
from tmsd.store.store import Store
from tmsd.systemd.journal import Event, about

LOG = logging.getLogger(__name__)

FIRST_MS = 1_000
LONGEST_MS = 300_000
# Of one caller; its oldest make room, so that inventing cards costs nobody else anything.
MAX_OF_CALLER = 1_000
# A card that has been left alone for so long begins anew.
FORGOTTEN_MS = 3_600_000


class CardFailures:
    """The failures of each caller's cards; made by `load`.

    Args:
        store: keeps them over a restart.
        now: the present, in milliseconds of Unix time.
    """

    def __init__(self, store: Store, now: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._now = now
        self._by_caller: dict[str, OrderedDict[CardOfCaller, Failures]] = defaultdict(OrderedDict)

    async def load(self) -> None:
        """Read what is remembered from before.

        Raises:
            ServiceError: `store-unavailable`.
        """
        oldest = self._now() - FORGOTTEN_MS
        for card, failures in (await self._store.run(partial(_remembered, oldest))).items():
            self._by_caller[card.caller][card] = failures

    def require_calm(self, card: CardOfCaller) -> None:
        """Refuse a card that failed with this caller too shortly before.

        Raises:
            ServiceError: `backing-off`, with the time that is left.
        """
        failures = self._by_caller[card.caller].get(card)
        left_ms = self._left_ms(card, failures) if failures else 0
        if failures and left_ms > 0:
            seconds = left_ms / 1000
            raise ServiceError(
                Code.BACKING_OFF,
                f"the card failed {failures.count} times in a row; ask again in {seconds:.0f} s",
                pointer="/card",
                retry_after=seconds,
            )

    def _left_ms(self, card: CardOfCaller, failures: Failures) -> int:
        """Return how long a card has to wait; where the clock was set back, from now on."""
        now, longest = self._now(), delay_ms(failures.count)
        if failures.until_ms - now <= longest:
            return failures.until_ms - now
        self._by_caller[card.caller][card] = Failures(failures.count, now + longest)
        return longest

    async def failed(self, card: CardOfCaller) -> int:
        """Count a failure; return with how many callers the card failed lately.

        Raises:
            ServiceError: `store-unavailable`.
        """
        of_caller = self._by_caller[card.caller]
        before = of_caller.pop(card, None)
        if before is not None and self._now() - before.until_ms > FORGOTTEN_MS:
            before = None
        count = before.count + 1 if before else 1
        failures = of_caller[card] = Failures(count, self._now() + delay_ms(count))
        evicted = of_caller.popitem(last=False)[0] if len(of_caller) > MAX_OF_CALLER else None
        callers = self._callers_it_fails_with(card)
        oldest = self._now() - FORGOTTEN_MS
        self._sweep(of_caller, oldest)
        await self._store.run(partial(_write, card, failures, evicted, oldest))
        return len(callers)

    async def succeeded(self, card: CardOfCaller) -> None:
        """Forget a card's failures, now that it proved its keys.

        Raises:
            ServiceError: `store-unavailable`.
        """
        if self._by_caller[card.caller].pop(card, None) is not None:
            await self._store.run(partial(_forget, card))

    def _sweep(self, of_caller: OrderedDict[CardOfCaller, Failures], oldest: int) -> None:
        """Forget a caller's cards that have been left alone; the oldest stand first."""
        while of_caller and next(iter(of_caller.values())).until_ms < oldest:
            of_caller.popitem(last=False)

    def _callers_it_fails_with(self, card: CardOfCaller) -> list[str]:
        """Return the callers that a card failed with lately; if they are several, alert."""
        oldest = self._now() - FORGOTTEN_MS
        same = {
            name: cards.get(CardOfCaller(name, card.key_set, card.diversification_data))
            for name, cards in self._by_caller.items()
        }
        callers = sorted(
            name for name, failures in same.items() if failures and failures.until_ms >= oldest
        )
        if len(callers) > 1:
            LOG.warning(
                "card %s of key set %s fails with several callers: %s",
                card.diversification_data.hex(),
                card.key_set,
                ", ".join(callers),
                extra=about(Event.CARD_FAILS_WITH_SEVERAL_CALLERS, caller=card.caller),
            )
        return callers


def delay_ms(count: int) -> int:
    """Return how long a card waits after so many failures in a row: 1 s, doubled up to 5 min."""
    return min(FIRST_MS << min(count - 1, 20), LONGEST_MS)


def _remembered(oldest: int, connection: Connection) -> dict[CardOfCaller, Failures]:
    table.forget_before(connection, oldest)
    return table.all_failures(connection)


def _write(
    card: CardOfCaller,
    failures: Failures,
    evicted: CardOfCaller | None,
    oldest: int,
    connection: Connection,
) -> None:
    table.put(connection, card, failures)
    table.forget_before(connection, oldest)
    if evicted is not None:
        table.forget(connection, evicted)


def _forget(card: CardOfCaller, connection: Connection) -> None:
    table.forget(connection, card)
