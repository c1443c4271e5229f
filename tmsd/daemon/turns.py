"""Turns for TLS handshakes: one begins after another, so that requests come in between.

Whoever connects may ask for a handshake (RFC 8446), which takes the thread that serves everybody
as long as a request does. Addresses take turns, so that who connects from one without end keeps
none of the others waiting; of one address, who came first has the first turn.
"""

import asyncio


class Turns:
    """Who waits for a handshake to begin.

    Args:
        pause: from one beginning to the next of the same address, in seconds.
        patience: within how many seconds all who wait are to have their turns; pauses are
            shorter where that takes it.
    """

    def __init__(self, pause: float, patience: float) -> None:
        self._pause = pause
        self._patience = patience
        # Whose turn is next stands first, among the addresses and among those of each.
        self._waiting: dict[str, dict[asyncio.Event, None]] = {}
        self._count = 0
        self._next: asyncio.TimerHandle | None = None

    async def come(self, address: str) -> None:
        """Return when a handshake with a peer at an address may begin."""
        turn = asyncio.Event()
        self._waiting.setdefault(address, {})[turn] = None
        self._count += 1
        if self._next is None:
            self._give()
        try:
            await turn.wait()
        finally:
            if not turn.is_set():
                self._remove(address, turn)

    def _give(self) -> None:
        """Give a turn, if anybody waits for one, and the next one after the pause."""
        self._next = None
        if not self._waiting:
            return
        address, turns = next(iter(self._waiting.items()))
        turn = next(iter(turns))
        self._remove(address, turn)
        if turns:  # behind the other addresses
            self._waiting[address] = self._waiting.pop(address)
        turn.set()
        self._next = asyncio.get_running_loop().call_later(self.until_next(), self._give)

    def until_next(self) -> float:
        """Return the seconds from one beginning to the next, with those who wait now."""
        addresses = max(1, len(self._waiting))
        return min(self._pause / addresses, self._patience / (self._count + 1))

    def _remove(self, address: str, turn: asyncio.Event) -> None:
        turns = self._waiting[address]
        del turns[turn]
        self._count -= 1
        if not turns:
            del self._waiting[address]
