"""The listener for callers: sockets that systemd made, or else one of our own at `[api] listen`."""

import socket
from collections.abc import AsyncIterator
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
    async def open(self) -> AsyncIterator[str]:
        """Serve callers until left; yield the addresses, for the log.

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
        try:
            if self.inherited:
                for inherited in self.inherited:
                    await web.SockSite(runner, inherited, ssl_context=self.tls).start()
            else:
                await web.TCPSite(
                    runner, self.api.host, self.api.port, ssl_context=self.tls
                ).start()
            yield ", ".join(f"https://{address}" for address in self._addresses())
        finally:
            await runner.cleanup()

    def _addresses(self) -> list[str]:
        if not self.inherited:
            return [self.api.listen]
        return [_address(inherited) for inherited in self.inherited]


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
