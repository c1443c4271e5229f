"""The listener of the responder: anybody may connect, so that connections are counted and timed."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from tmsd.clock import monotonic
from tmsd.config.listen import host_and_port
from tmsd.config.ocsp import OcspConfig
from tmsd.sockets import address_of, listener_at

_SHUTDOWN_SECONDS = 5.0
_LOOKING_SECONDS = 0.5

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _TurnedAway(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()


class _Connections:
    """Those that are open, and since when each has waited for a whole request."""

    def __init__(self, runner: web.AppRunner, config: OcspConfig) -> None:
        self._runner = runner
        self._config = config
        self._waiting_since: dict[object, float] = {}

    def accept(self) -> asyncio.Protocol:
        """Return what handles a new connection."""
        server = self._runner.server
        if server is None or len(server.connections) >= self._config.connections:
            return _TurnedAway()
        return server()

    @web.middleware
    async def served(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Do not count the time in which a request is at work: handlers have their own limits."""
        self._waiting_since[request.protocol] = math.inf
        try:
            return await handler(request)
        finally:
            self._waiting_since[request.protocol] = monotonic()

    async def close_idle(self) -> None:
        """Close those whose request does not come, or whose answer is not read, until cancelled."""
        while True:
            await asyncio.sleep(_LOOKING_SECONDS)
            now = monotonic()
            opened = self._runner.server.connections if self._runner.server else []
            self._waiting_since = {each: self._waiting_since.get(each, now) for each in opened}
            for each in opened:
                waited = now - self._waiting_since[each]
                if waited > self._config.request_seconds and each.transport is not None:
                    each.transport.abort()


@asynccontextmanager
async def listening(
    app: web.Application, config: OcspConfig, inherited: Sequence[socket.socket]
) -> AsyncIterator[str]:
    """Serve until left; yield where, for the log.

    Args:
        app: what answers.
        config: where to listen, unless systemd does already, and the limits.
        inherited: listening sockets that systemd made.

    Raises:
        OSError: `[ocsp] listen` cannot be listened on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        auto_decompress=False,
    )
    connections = _Connections(runner, config)
    app.middlewares.append(connections.served)
    sockets = inherited or [listener_at(*host_and_port(config.listen))]
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    await runner.setup()
    closing = asyncio.create_task(connections.close_idle())
    try:
        servers += [
            await loop.create_server(connections.accept, sock=listener) for listener in sockets
        ]
        yield ", ".join(f"http://{address_of(listener)}" for listener in sockets)
    finally:
        closing.cancel()
        for server in servers:
            server.close()
        await runner.cleanup()
