"""The connections that are open, and which of them yields when there are too many.

Who has shown no certificate yields first, the longest in its handshake before others: strangers
can take places, but none of a caller's. After them yields the connection that is idle for longest.
A caller with too many of its own loses the longest idle of those, and nobody else does.
"""

import asyncio
from collections import Counter

from tmsd.api.callers import presented_certificate, public_key_sha256
from tmsd.daemon.connection import Connection
from tmsd.daemon.turned_away import TurnedAway

_TOO_MANY = "there are too many connections"


class Connections:
    """All connections, each in its handshake, idle, or at work.

    Args:
        most: at once.
        most_per_caller: at once with one public key, after the handshake.
        turned_away: is told who had to yield.
    """

    def __init__(self, most: int, most_per_caller: int, turned_away: TurnedAway) -> None:
        self._most = most
        self._most_per_caller = most_per_caller
        self._turned_away = turned_away
        # Those that came first, or became idle first, stand first.
        self._shaking: dict[Connection, asyncio.Task[None]] = {}
        self._idle: dict[Connection, None] = {}
        self._callers: dict[Connection, str] = {}
        self._of_caller: Counter[str] = Counter()

    def make_room(self) -> bool:
        """Have a connection yield to another that has come, if need be; say whether one did."""
        if len(self._shaking) + len(self._callers) < self._most:
            return True
        if self._shaking:
            oldest = next(iter(self._shaking))
            self._shaking.pop(oldest).cancel()
            self._turned_away.because(f"{_TOO_MANY}, and its handshake was the oldest")
            return True
        return self._end_longest_idle(_TOO_MANY)

    def shaking(self, connection: Connection, handshake: asyncio.Task[None]) -> None:
        """Count a connection whose handshake has begun, until it is opened or has failed."""
        self._shaking[connection] = handshake
        handshake.add_done_callback(lambda _over: self._shaking.pop(connection, None))

    def end_handshakes(self) -> None:
        """Let nobody in any more."""
        for handshake in tuple(self._shaking.values()):
            handshake.cancel()

    def opened(self, connection: Connection) -> None:
        """Count a connection whose handshake is over; its caller may have to lose another."""
        self._shaking.pop(connection, None)
        caller = _caller(connection)
        too_many = f"the caller with the public key {caller} has too many connections"
        if self._of_caller[caller] >= self._most_per_caller and not self._end_longest_idle(
            too_many, caller
        ):
            self._turned_away.because(too_many)
            connection.abort()
            return
        self._of_caller[caller] += 1
        self._callers[connection] = caller
        self._idle[connection] = None

    def at_work(self, connection: Connection) -> None:
        """Note that a request of it is being answered: it yields to nobody."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Note that it waits for a request, from now on."""
        if connection in self._callers:
            self._idle[connection] = None

    def closed(self, connection: Connection) -> None:
        """Count a connection no more; it may have been given up before."""
        self._idle.pop(connection, None)
        caller = self._callers.pop(connection, None)
        if caller is not None:
            self._of_caller[caller] -= 1
            if not self._of_caller[caller]:
                del self._of_caller[caller]

    def _end_longest_idle(self, reason: str, caller: str | None = None) -> bool:
        for connection in self._idle:
            if caller in (None, self._callers[connection]):
                self.closed(connection)
                connection.abort()
                self._turned_away.because(f"{reason}, and it was idle for longest")
                return True
        return False


def _caller(connection: Connection) -> str:
    """Return the hash of the key that opened a connection, whether the policy names it or not."""
    certificate = presented_certificate(connection.transport)
    return public_key_sha256(certificate) if certificate else ""
