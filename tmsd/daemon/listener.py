"""The listener for callers: sockets that systemd made, or else one of our own at `[api] listen`."""

import asyncio
import logging
import socket
from asyncio import sslproto
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLCertVerificationError, SSLContext, SSLError

from aiohttp import web

from tmsd.config.api import ApiConfig
from tmsd.config.daemon import LimitsConfig
from tmsd.daemon.connection import Connection, Patience, serving
from tmsd.daemon.connections import Connections
from tmsd.daemon.descriptors import most_connections
from tmsd.daemon.turned_away import TurnedAway
from tmsd.daemon.turns import Turns
from tmsd.sockets import address_of, listener_at

LOG = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 5.0
# For a caller to say in its turn that a connection is over.
_FAREWELL_SECONDS = 5.0
_PAUSE_SECONDS = 1.0
# Of one address; a handshake takes a millisecond or two.
_BETWEEN_HANDSHAKES_SECONDS = 0.02

# What one call of asyncio reads at most: one TLS record (RFC 8446, section 5.1). It makes and
# clears a buffer of that length for each connection, which has 256 KiB otherwise.
_RECORD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Listener:
    """How callers reach the application.

    Attributes:
        api: where to listen, unless systemd does already.
        limits: how many connections there may be, and how long is waited for callers.
        tls: of the daemon.
        app: what answers.
        inherited: listening sockets that systemd made; with any, `[api] listen` is not used.
    """

    api: ApiConfig
    limits: LimitsConfig
    tls: SSLContext
    app: web.Application
    inherited: tuple[socket.socket, ...] = ()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Listening"]:
        """Serve callers until left.

        At the end requests at work have some seconds to end. Who connects to an inherited
        socket from then on waits for the next process, as systemd keeps the socket open.

        Raises:
            OSError: `[api] listen` cannot be listened on.
        """
        sslproto.SSLProtocol.max_size = _RECORD
        runner = web.AppRunner(self.app, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        own = () if self.inherited else (listener_at(self.api.host, self.api.port),)
        listening = self._listening(runner)
        accepting = [
            asyncio.create_task(listening.accept(bound)) for bound in self.inherited or own
        ]
        try:
            yield listening
        finally:
            for task in accepting:
                task.cancel()
            await asyncio.gather(*accepting, return_exceptions=True)
            listening.connections.end_handshakes()
            await runner.cleanup()
            for bound in own:
                bound.close()

    def _listening(self, runner: web.AppRunner) -> "Listening":
        limits = self.limits
        turned_away = TurnedAway()
        connections = Connections(
            most_connections(limits.connections), limits.connections_per_caller, turned_away
        )
        patience = Patience(
            head=limits.head_seconds,
            answer=limits.request_timeout_seconds,
            idle=limits.idle_seconds,
        )
        if runner.server is None:
            raise RuntimeError("the runner has been set up")
        return Listening(
            addresses=self._addresses(),
            tls=self.tls,
            connections=connections,
            turned_away=turned_away,
            connection=serving(runner.server, patience, connections),
            turns=Turns(_BETWEEN_HANDSHAKES_SECONDS, limits.handshake_seconds / 2),
            handshake_seconds=limits.handshake_seconds,
        )

    def _addresses(self) -> str:
        listened = map(address_of, self.inherited) if self.inherited else [self.api.listen]
        return ", ".join(f"https://{address}" for address in listened)


@dataclass(slots=True)
class Listening:
    """Callers are served.

    Attributes:
        addresses: where, for the log.
        tls: with which settings whoever connects from now on is. Connections that are open
            stay as they are; nobody who connects meanwhile is refused.
        connections: those that are open.
        turned_away: is told who does not get in.
        connection: makes what serves a connection.
        turns: for handshakes to begin.
        handshake_seconds: how long a handshake may take.
    """

    addresses: str
    tls: SSLContext
    connections: Connections
    turned_away: TurnedAway
    connection: Callable[[], Connection]
    turns: Turns
    handshake_seconds: float

    async def accept(self, listener: socket.socket) -> None:
        """Let in who connects to a listening socket, until cancelled."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                accepted, (peer, *_) = await loop.sock_accept(listener)
            except OSError as error:
                LOG.error("no connection can be accepted: %s", error.strerror)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if self.connections.make_room():
                connection = self.connection()
                handshake = loop.create_task(self._shake_hands(connection, accepted, peer))
                self.connections.shaking(connection, handshake)
            else:
                accepted.close()
                self.turned_away.because("all connections are at work", peer)
            # Let the handshake begin before another can end it, and others have their turn.
            await asyncio.sleep(0)

    async def _shake_hands(
        self, connection: Connection, accepted: socket.socket, peer: str
    ) -> None:
        try:
            async with asyncio.timeout(self.handshake_seconds):
                await self._wait_for_turn(accepted, peer)
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=self.tls,
                    ssl_handshake_timeout=self.handshake_seconds,
                    ssl_shutdown_timeout=_FAREWELL_SECONDS,
                )
        except SSLCertVerificationError as error:
            self.turned_away.because(f"its certificate: {error.verify_message}", peer)
        except SSLError as error:
            self.turned_away.because(f"its handshake failed: {error.reason}", peer)
        except TimeoutError:
            seconds = f"{self.handshake_seconds:g} s"
            self.turned_away.because(f"its handshake was not over within {seconds}", peer)
        except OSError:
            pass  # it went away by itself, as what only looks whether somebody listens does

    async def _wait_for_turn(self, accepted: socket.socket, peer: str) -> None:
        """Wait for a peer to send something, and then until others let it begin."""
        try:
            await _has_sent(accepted)
            await self.turns.come(peer)
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
