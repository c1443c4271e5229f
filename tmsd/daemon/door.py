"""One way in for callers: listening sockets, and TLS handshakes with whoever comes to them."""

import asyncio
import logging
import socket
from asyncio import sslproto
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ssl import SSLCertVerificationError, SSLContext, SSLError

from tmsd.daemon.connection import Connection
from tmsd.daemon.connections import Connections
from tmsd.daemon.turned_away import TurnedAway
from tmsd.daemon.turns import Turns
from tmsd.sockets import address_of, listener_at

LOG = logging.getLogger(__name__)

# For a caller to say in its turn that a connection is over.
_FAREWELL_SECONDS = 5.0
_PAUSE_SECONDS = 1.0

# What one call of asyncio reads at most: one TLS record (RFC 8446, section 5.1). It makes and
# clears a buffer of that length for each connection, which has 256 KiB otherwise.
sslproto.SSLProtocol.max_size = 16 * 1024


@dataclass(frozen=True, slots=True)
class Crowd:
    """What all doors share: who is inside, and who may come next.

    Attributes:
        connections: those that are open.
        turned_away: is told who does not get in.
        turns: for handshakes to begin.
        handshake_seconds: how long a handshake may take.
    """

    connections: Connections
    turned_away: TurnedAway
    turns: Turns
    handshake_seconds: float


class Door:
    """A way in; nobody comes in before it is open.

    Args:
        address: to listen on, host and port, where systemd made no sockets.
        inherited: listening sockets that systemd made; with any, `address` is not used.
        tls: with which settings whoever connects is served. Others in their place are for whoever
            connects from then on; connections that are open stay as they are.
        connection: makes what serves a connection.
        crowd: shared with other doors.
    """

    def __init__(
        self,
        address: tuple[str, int],
        inherited: Sequence[socket.socket],
        tls: SSLContext,
        connection: Callable[[], Connection],
        crowd: Crowd,
    ) -> None:
        self.tls = tls
        self._address = address
        self._inherited = inherited
        self._connection = connection
        self._crowd = crowd
        self._own: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []

    @property
    def is_open(self) -> bool:
        """Whether anybody can come in."""
        return bool(self._accepting)

    @property
    def addresses(self) -> Sequence[str]:
        """Where it is open, for the log."""
        listening = [*self._inherited, *self._own] if self.is_open else []
        return [f"https://{address_of(each)}" for each in listening]

    def open(self) -> None:
        """Let callers in from now on.

        Raises:
            OSError: the address cannot be listened on.
        """
        if not self._inherited:
            self._own = [listener_at(*self._address)]
        self._accepting = [
            asyncio.create_task(self._accept(bound)) for bound in self._inherited or self._own
        ]

    async def close(self) -> None:
        """Let nobody in any more; who is inside stays.

        Who connects to an inherited socket from then on waits for the next process, as systemd
        keeps the socket open.
        """
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._accepting = []
        for bound in self._own:
            bound.close()
        self._own = []

    async def _accept(self, listener: socket.socket) -> None:
        """Let in who connects to a listening socket, until cancelled."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        connections = self._crowd.connections
        while True:
            try:
                accepted, (peer, *_) = await loop.sock_accept(listener)
            except OSError as error:
                LOG.error("no connection can be accepted: %s", error.strerror)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if connections.make_room():
                connection = self._connection()
                handshake = loop.create_task(self._shake_hands(connection, accepted, peer))
                connections.shaking(connection, handshake)
            else:
                accepted.close()
                self._crowd.turned_away.because("all connections are at work", peer)
            # Let the handshake begin before another can end it, and others have their turn.
            await asyncio.sleep(0)

    async def _shake_hands(
        self, connection: Connection, accepted: socket.socket, peer: str
    ) -> None:
        turned_away, patience = self._crowd.turned_away, self._crowd.handshake_seconds
        try:
            async with asyncio.timeout(patience):
                await self._wait_for_turn(accepted, peer)
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=self.tls,
                    ssl_handshake_timeout=patience,
                    ssl_shutdown_timeout=_FAREWELL_SECONDS,
                )
        except SSLCertVerificationError as error:
            turned_away.because(f"its certificate: {error.verify_message}", peer)
        except SSLError as error:
            turned_away.because(f"its handshake failed: {error.reason}", peer)
        except TimeoutError:
            turned_away.because(f"its handshake was not over within {patience:g} s", peer)
        except OSError:
            pass  # it went away by itself, as what only looks whether somebody listens does

    async def _wait_for_turn(self, accepted: socket.socket, peer: str) -> None:
        """Wait for a peer to send something, and then until others let it begin."""
        try:
            await _has_sent(accepted)
            await self._crowd.turns.come(peer)
        except BaseException:
            accepted.close()
            raise


async def _has_sent(connection: socket.socket) -> None:
    """Return when a peer has sent something, or has gone."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(connection, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(connection)
