"""The listener for callers: a door to the API, and one for TPSs of Dogtag where there are any."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext

from aiohttp import web

from tmsd.config.api import ApiConfig
from tmsd.config.callers import Protocol
from tmsd.config.daemon import LimitsConfig
from tmsd.config.policy import Policy
from tmsd.daemon.admission import Admissions
from tmsd.daemon.connection import Patience, serving
from tmsd.daemon.connections import Connections
from tmsd.daemon.descriptors import most_connections
from tmsd.daemon.door import Crowd, Door
from tmsd.daemon.turned_away import TurnedAway
from tmsd.daemon.turns import Turns

_SHUTDOWN_SECONDS = 5.0
# Of one address; a handshake takes a millisecond or two.
_BETWEEN_HANDSHAKES_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Entrance:
    """How callers reach an application.

    Attributes:
        listen: where, unless systemd listens already.
        tls: with which settings at first.
        app: what answers.
        inherited: listening sockets that systemd made; with any, `listen` is not used.
    """

    listen: ApiConfig
    tls: SSLContext
    app: web.Application
    inherited: tuple[socket.socket, ...] = ()


@dataclass(frozen=True, slots=True)
class Listener:
    """How callers reach the applications.

    Attributes:
        limits: how many connections there may be in all, and how long is waited for callers.
        api: to the API.
        dogtag: for TPSs of Dogtag; None where tmsd.toml has none.
    """

    limits: LimitsConfig
    api: Entrance
    dogtag: Entrance | None = None

    @asynccontextmanager
    async def open(self, policy: Policy) -> AsyncIterator["Listening"]:
        """Serve callers until left.

        At the end requests at work have some seconds to end.

        Args:
            policy: whose callers are served.

        Raises:
            OSError: an address cannot be listened on.
        """
        limits = self.limits
        turned_away = TurnedAway()
        connections = Connections(
            most_connections(limits.connections), limits.connections_per_caller, turned_away
        )
        turns = Turns(_BETWEEN_HANDSHAKES_SECONDS, limits.handshake_seconds / 2)
        crowd = Crowd(connections, turned_away, turns, limits.handshake_seconds)
        runners: list[web.AppRunner] = []
        async with AsyncExitStack() as ending:
            # Doors first, then handshakes, then requests at work: side by side, as they all wait.
            ending.push_async_callback(_clean_up, runners)
            ending.callback(connections.end_handshakes)
            api = await self._door(self.api, crowd, runners)
            dogtag = None
            if self.dogtag is not None:
                dogtag = await self._door(self.dogtag, crowd, runners)
            for door in filter(None, (api, dogtag)):
                ending.push_async_callback(door.close)
            listening = Listening(connections, turned_away, api, dogtag)
            api.open()
            listening.open_for(policy)
            yield listening

    async def _door(self, entrance: Entrance, crowd: Crowd, runners: list[web.AppRunner]) -> Door:
        limits = self.limits
        runner = web.AppRunner(entrance.app, shutdown_timeout=_SHUTDOWN_SECONDS)
        runners.append(runner)
        await runner.setup()
        if runner.server is None:
            raise RuntimeError("the runner has been set up")
        patience = Patience(
            head=limits.head_seconds,
            answer=limits.request_timeout_seconds,
            idle=limits.idle_seconds,
        )
        return Door(
            (entrance.listen.host, entrance.listen.port),
            entrance.inherited,
            entrance.tls,
            serving(runner.server, patience, crowd.connections),
            crowd,
        )


@dataclass(frozen=True, slots=True)
class Listening:
    """Callers are served.

    Attributes:
        connections: those that are open.
        turned_away: is told who does not get in.
        api: the door to the API, which is open.
        dogtag: the door for TPSs of Dogtag; None where there is none.
    """

    connections: Connections
    turned_away: TurnedAway
    api: Door
    dogtag: Door | None

    @property
    def addresses(self) -> str:
        """Where, for the log."""
        doors = filter(None, (self.api, self.dogtag))
        return ", ".join(address for door in doors for address in door.addresses)

    def open_for(self, policy: Policy) -> None:
        """Open the door for TPSs of Dogtag if a caller is one.

        Raises:
            OSError: its address cannot be listened on.
        """
        if self.dogtag is not None and not self.dogtag.is_open and _has_tps(policy):
            self.dogtag.open()

    async def shut_for(self, policy: Policy) -> None:
        """Shut the door for TPSs of Dogtag if no caller is one."""
        if self.dogtag is not None and not _has_tps(policy):
            await self.dogtag.close()

    def admit_by(self, admissions: Admissions) -> None:
        """Serve whoever connects from now on with these settings; nobody meanwhile is refused."""
        self.api.tls = admissions.api.tls
        if self.dogtag is not None and admissions.dogtag is not None:
            self.dogtag.tls = admissions.dogtag.tls


def _has_tps(policy: Policy) -> bool:
    return any(caller.protocol is Protocol.DOGTAG for caller in policy.callers.values())


async def _clean_up(runners: list[web.AppRunner]) -> None:
    await asyncio.gather(*(runner.cleanup() for runner in runners))
