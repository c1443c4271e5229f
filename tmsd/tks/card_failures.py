"""Cards that fail are asked again later and later: for each caller by itself, and never for good.

What is on record counts, whichever of several daemons put it there. It is looked at once the HSM
has judged a card and before anybody learns how, in the transaction that uses its challenge up; of
cards that a daemon knows to wait, it does not even ask the HSM.

A card that fails with one caller is no word against it with another; one that fails with
several may be a forgery on its way, and is told to those who watch.
"""

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection

from tmsd.clock import now_ms
from tmsd.errors import Code, ServiceError
from tmsd.store import card_failures as table
from tmsd.store.card_failures import CardOfCaller, Failures
from tmsd.store.store import Store
from tmsd.systemd.journal import Event, about

LOG = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_MS = 1_000
LONGEST_MS = 300_000
# Of one caller; its oldest make room, so that inventing cards costs nobody else anything.
MAX_OF_CALLER = 1_000
# A card that has been left alone for so long begins anew.
FORGOTTEN_MS = 3_600_000

# What is done in the same transaction, and before: it uses the challenge up, or refuses.
UseUp = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was on record of a card when it was looked at last.

    Attributes:
        on_record: as it stood there.
        until_ms: until when the card waits by the clock of this machine (ms, Unix time).
    """

    on_record: Failures
    until_ms: int


class _FailedElsewhere(Exception):
    """Another daemon has counted a failure of the card, which has to wait: nothing was done."""

    def __init__(self, on_record: Failures) -> None:
        super().__init__()
        self.on_record = on_record


def nothing_to_use_up(_connection: Connection) -> None:
    """Do nothing: there was no challenge of ours."""


class CardFailures:
    """The failures of each caller's cards; made by `load`.

    Args:
        store: has them on record.
        now: the present, in milliseconds of Unix time.
    """

    def __init__(self, store: Store, now: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._now = now
        self._by_caller: dict[str, OrderedDict[CardOfCaller, _Known]] = defaultdict(OrderedDict)

    async def load(self) -> None:
        """Read what is remembered from before.

        Raises:
            ServiceError: `store-unavailable`.
        """
        oldest = self._now() - FORGOTTEN_MS
        for card, failures in (await self._store.run(partial(_remembered, oldest))).items():
            self._by_caller[card.caller][card] = _Known(failures, failures.until_ms)

    def require_calm(self, card: CardOfCaller) -> None:
        """Refuse a card that is known to have failed with this caller too shortly before.

        Raises:
            ServiceError: `backing-off`, with the time that is left.
        """
        known = self._by_caller[card.caller].get(card)
        left_ms = self._left_ms(card, known) if known else 0
        if known and left_ms > 0:
            raise _backing_off(known.on_record.count, left_ms)

    def _left_ms(self, card: CardOfCaller, known: _Known) -> int:
        """Return how long a card has to wait; where the clock was set back, from now on."""
        now, longest = self._now(), delay_ms(known.on_record.count)
        if known.until_ms - now <= longest:
            return known.until_ms - now
        self._by_caller[card.caller][card] = replace(known, until_ms=now + longest)
        return longest

    async def failed(
        self,
        card: CardOfCaller,
        use_up: UseUp = nothing_to_use_up,
        callers: Collection[str] = (),
    ) -> int:
        """Count a failure; return with how many callers the card failed lately.

        Args:
            card: that was judged.
            use_up: done in the same transaction.
            callers: the others that are looked at.

        Raises:
            ServiceError: `backing-off`, when it failed at another daemon too shortly before, and
                nothing was done; `store-unavailable`; as `use_up`.
        """
        of_caller = self._by_caller[card.caller]
        surplus = len(of_caller) + (card not in of_caller) - MAX_OF_CALLER
        evicted = list(islice((each for each in of_caller if each != card), max(0, surplus)))

        def count(connection: Connection, before: Failures | None) -> tuple[Failures, list[str]]:
            use_up(connection)
            failures = _one_more(before, self._now())
            oldest = self._now() - FORGOTTEN_MS
            _write(connection, card, failures, [*evicted], oldest)
            among = {card.caller, *callers}
            return failures, table.callers_it_fails_with(connection, card, among, oldest)

        failures, fails_with = await self._if_calm(card, count)
        for each in evicted:
            of_caller.pop(each, None)
        self._learn(card, failures)
        self._sweep(of_caller)
        if len(fails_with) > 1:
            _alert(card, fails_with)
        return len(fails_with)

    async def succeeded(self, card: CardOfCaller, use_up: UseUp = nothing_to_use_up) -> None:
        """Forget a card's failures, now that it proved its keys.

        Raises:
            ServiceError: as for `failed`.
        """

        def forget(connection: Connection, before: Failures | None) -> None:
            use_up(connection)
            if before is not None:
                table.forget(connection, card)

        await self._if_calm(card, forget)
        self._by_caller[card.caller].pop(card, None)

    async def _if_calm(
        self, card: CardOfCaller, job: Callable[[Connection, Failures | None], T]
    ) -> T:
        """Run a job with what is on record of a card, unless that is news and the card waits."""
        known = self._by_caller[card.caller].get(card)
        known_on_record = known and known.on_record

        def looked_at(connection: Connection) -> T:
            on_record = table.find(connection, card)
            is_news = on_record is not None and on_record != known_on_record
            if on_record is not None and is_news and on_record.until_ms > self._now():
                raise _FailedElsewhere(on_record)
            return job(connection, on_record)

        try:
            return await self._store.run(looked_at)
        except _FailedElsewhere as elsewhere:
            left_ms = self._learn(card, elsewhere.on_record)
            raise _backing_off(elsewhere.on_record.count, left_ms) from None

    def _learn(self, card: CardOfCaller, on_record: Failures) -> int:
        """Know from now on what is on record of a card; return how long it has to wait.

        That is never longer than it was meant to be, however the clocks of machines differ.
        """
        now = self._now()
        left_ms = max(1, min(on_record.until_ms - now, delay_ms(on_record.count)))
        of_caller = self._by_caller[card.caller]
        of_caller[card] = _Known(on_record, now + left_ms)
        of_caller.move_to_end(card)
        return left_ms

    def _sweep(self, of_caller: OrderedDict[CardOfCaller, _Known]) -> None:
        """Forget a caller's cards that have been left alone; the oldest stand first."""
        oldest = self._now() - FORGOTTEN_MS
        while of_caller and next(iter(of_caller.values())).until_ms < oldest:
            of_caller.popitem(last=False)


def delay_ms(count: int) -> int:
    """Return how long a card waits after so many failures in a row: 1 s, doubled up to 5 min."""
    return min(FIRST_MS << min(count - 1, 20), LONGEST_MS)


def _one_more(before: Failures | None, now: int) -> Failures:
    if before is None or now - before.until_ms > FORGOTTEN_MS:
        return Failures(1, now + delay_ms(1))
    return Failures(before.count + 1, now + delay_ms(before.count + 1))


def _remembered(oldest: int, connection: Connection) -> dict[CardOfCaller, Failures]:
    table.forget_before(connection, oldest)
    return table.all_failures(connection)


def _write(
    connection: Connection,
    card: CardOfCaller,
    failures: Failures,
    evicted: Iterable[CardOfCaller],
    oldest: int,
) -> None:
    table.put(connection, card, failures)
    table.forget_before(connection, oldest)
    for each in evicted:
        table.forget(connection, each)


def _alert(card: CardOfCaller, callers: list[str]) -> None:
    LOG.warning(
        "card %s of key set %s fails with several callers: %s",
        card.diversification_data.hex(),
        card.key_set,
        ", ".join(callers),
        extra=about(Event.CARD_FAILS_WITH_SEVERAL_CALLERS, caller=card.caller),
    )


def _backing_off(count: int, left_ms: int) -> ServiceError:
    seconds = left_ms / 1000
    return ServiceError(
        Code.BACKING_OFF,
        f"the card failed {count} times in a row; ask again in {seconds:.0f} s",
        pointer="/card",
        retry_after=seconds,
    )
