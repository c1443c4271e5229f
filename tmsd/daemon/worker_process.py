"""One worker, spawned beside the front or reached at its socket, and how it is ended."""

import asyncio
import logging
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from tmsd.systemd.journal import Event, about
from tmsd.vault.connection import WorkerConnection
from tmsd.vault.reaching import announced, connect_to
from tmsd.vault.worker_messages import Started

LOG = logging.getLogger(__name__)

_STOP_SECONDS = 5.0


class Running(Protocol):
    """What ends a worker."""

    async def stop(self) -> None:
        """End it, or let go of it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that is ready.

    Attributes:
        name: for the log: its process number, or its socket.
        connection: its socket.
        announced: what it said of itself when it was ready.
        running: ends it.
    """

    name: str
    connection: WorkerConnection
    announced: Started
    running: Running


@dataclass(frozen=True, slots=True)
class _Spawned:
    """A child process; closing the socket ends it."""

    process: asyncio.subprocess.Process
    connection: WorkerConnection

    async def stop(self) -> None:
        """Close the socket; kill the process if it does not end by itself."""
        self.connection.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            LOG.warning("worker process %d does not end and is killed", self.process.pid)
            self.process.kill()
            await self.process.wait()
        if self.process.returncode == -signal.SIGALRM:
            LOG.error("worker process %d waited for the HSM in vain", self.process.pid)


@dataclass(frozen=True, slots=True)
class _Connected:
    """A worker that somebody else started, as a unit of systemd."""

    connection: WorkerConnection

    async def stop(self) -> None:
        """Close the connection; whoever started the worker sees to its process."""
        self.connection.close()


class Source(Protocol):
    """Where a worker comes from."""

    @property
    def exclusive(self) -> bool:
        """Whether one can only be had when the one before has ended."""

    async def start(self, policy_digest: str) -> Worker:
        """Return a worker that goes by this policy.

        Raises:
            WorkerStartError: with the worker's own reason.
        """


@dataclass(frozen=True, slots=True)
class Spawning:
    """Workers that are children of the front.

    Attributes:
        config_file: tmsd.toml, which the worker reads by itself.
        seconds: how long a start may take.
        for_appliance: whether they serve the appliance itself, and no callers.
    """

    config_file: Path
    seconds: float
    for_appliance: bool = False
    exclusive: ClassVar[bool] = False

    async def start(self, policy_digest: str) -> Worker:
        """Start a process, and wait until it has logged in."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with there:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tmsd.worker",
                "--config",
                str(self.config_file),
                "--descriptor",
                str(there.fileno()),
                *(["--for-appliance"] if self.for_appliance else []),
                pass_fds=[there.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
            )
        connection = await WorkerConnection.over(here)
        running = _Spawned(process, connection)
        return await _ready(str(process.pid), connection, running, policy_digest, self.seconds)


@dataclass(frozen=True, slots=True)
class Connecting:
    """Workers that somebody else starts, as units of systemd: reached over a Unix socket.

    The front then runs as another user than the worker and can reach neither the PIN nor the
    PKCS#11 module.

    Attributes:
        path: the socket. systemd or the worker itself listens on it.
        seconds: how long the worker may take to say that it is ready.
    """

    path: Path
    seconds: float
    exclusive: ClassVar[bool] = True

    async def start(self, policy_digest: str) -> Worker:
        """Connect, make sure who listens, and wait until the worker is ready."""
        connection = await WorkerConnection.over(connect_to(self.path))
        running = _Connected(connection)
        return await _ready(str(self.path), connection, running, policy_digest, self.seconds)


async def _ready(
    name: str, connection: WorkerConnection, running: Running, policy_digest: str, seconds: float
) -> Worker:
    """Return a worker that has logged in; one that has not in time is stopped."""
    try:
        told = await announced(connection, policy_digest, seconds)
    except BaseException:
        await running.stop()
        raise
    LOG.info("worker %s is logged in", name, extra=about(Event.WORKER_READY, worker=name))
    return Worker(name, connection, told, running)
