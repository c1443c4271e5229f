"""The listener for callers: sockets that systemd made, or else one of our own at `[api] listen`."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext

from aiohttp import web

from tmsd.config.api import ApiConfig

_SHUTDOWN_SECONDS = 5.0
_KEEPALIVE_SECONDS = 75.0


@dataclass(frozen=True, slots=True)
class Listener:
    """How callers reach the application.

    Attributes:
        api: where to listen, unless systemd does already.
        tls: of the daemon.
        app: what answers.
        inherited: listening sockets that systemd made; with any, `[api] listen` is not used.
    """

    api: ApiConfig
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
        runner = web.AppRunner(
            self.app,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            auto_decompress=False,
        )
        await runner.setup()
        own = () if self.inherited else (_bound(self.api),)
        listening = Listening(self._addresses(), runner, self.inherited or own)
        try:
            await listening.serve(self.tls)
            yield listening
        finally:
            await runner.cleanup()
            for bound in own:
                bound.close()

    def _addresses(self) -> str:
        listened = map(_address, self.inherited) if self.inherited else [self.api.listen]
        return ", ".join(f"https://{address}" for address in listened)


class Listening:
    """Callers are served.

    Attributes:
        addresses: where, for the log.
    """

    def __init__(
        self, addresses: str, runner: web.AppRunner, sockets: Sequence[socket.socket]
    ) -> None:
        self.addresses = addresses
        self._runner = runner
        self._sockets = sockets

    async def serve(self, tls: SSLContext) -> None:
        """Serve whoever connects from now on with these TLS settings.

        Connections that are open stay as they are; nobody who connects meanwhile is refused.

        Raises:
            OSError: a socket cannot be listened on anew; those before are served on.
        """
        before = list(self._runner.sites)
        begun: list[web.SockSite] = []
        try:
            for bound in self._sockets:
                # What a site closes at its end is a descriptor of its own.
                site = web.SockSite(self._runner, bound.dup(), ssl_context=tls)
                await site.start()
                begun.append(site)
        except OSError:
            for site in begun:
                await site.stop()
            raise
        for earlier in before:
            await earlier.stop()


def _bound(api: ApiConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in api.host else socket.AF_INET
    return socket.create_server((api.host, api.port), family=family)


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
