"""Cards seen: which key version each card proved to hold last, on record within a second.

No caller waits for it. What a daemon that is killed has not written yet is lost; the card's next
channel makes up for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy import Connection

from tmsd.clock import now_ms
from tmsd.config.key_sets import KeySet
from tmsd.errors import ServiceError
from tmsd.store import cards_seen as table
from tmsd.store.cards_seen import SeenCard
from tmsd.store.store import Store

# While the store cannot be used; without it no further channel is opened.
MAX_WAITING = 10_000
_WRITING_SECONDS = 1.0


class CardsSeen:
    """What was seen and is not on record yet, by card: the latest sight alone.

    Args:
        store: has them on record.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[tuple[str, bytes], SeenCard] = {}

    def note(self, key_set: KeySet, diversification_data: bytes, key_version: int) -> None:
        """Remember that a card has proved to hold a version of its keys.

        Where all cards hold the same keys, none of them proves which card it is.
        """
        if key_set.undiversified:
            return
        self._keep(SeenCard(key_set.name, diversification_data, key_version, now_ms()))

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write each second what was seen, and the rest on leaving."""
        writing = asyncio.create_task(self._write_each_second(), name="cards seen")
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._write()

    async def _write_each_second(self) -> None:
        while True:
            await asyncio.sleep(_WRITING_SECONDS)
            await self._write()

    async def _write(self) -> None:
        if not self._waiting:
            return
        seen, self._waiting = [*self._waiting.values()], {}
        try:
            await self._store.run(partial(_put, seen))
        except ServiceError:  # the store says of itself that it cannot be used
            later, self._waiting = self._waiting, {}
            for card in (*seen, *later.values()):
                self._keep(card)

    def _keep(self, card: SeenCard) -> None:
        self._waiting.pop((card.key_set, card.diversification_data), None)
        self._waiting[card.key_set, card.diversification_data] = card
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]


def _put(seen: list[SeenCard], connection: Connection) -> None:
    table.put(connection, seen)
