"""One worker, spawned beside the front or reached at its socket, and how it is ended."""

import asyncio
import logging
import os
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from tmsd.systemd.journal import Event, about
from tmsd.vault.connection import WorkerConnection
from tmsd.vault.framing import FrameError
from tmsd.vault.worker_messages import Started, StartFailed

LOG = logging.getLogger(__name__)

_STOP_SECONDS = 5.0
_ROOT = 0
# struct ucred (unix(7), SO_PEERCRED): process, user, group.
_CREDENTIALS = struct.Struct("iII")


class WorkerStartError(Exception):
    """A worker did not start; the text says why.

    Starting another is always harmless: what a PIN that was refused needs is a latch, which
    stands before the token (hsm/pin_latch.py).
    """


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
        announced = await _announced(connection, running, policy_digest, self.seconds)
        return _logged_in(Worker(str(process.pid), connection, announced, running))


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
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # On a Unix socket it succeeds or fails at once, but for a full backlog.
            connected.setblocking(False)
            connected.connect(str(self.path))
            _require_trusted(connected, self.path)
        except OSError as error:
            connected.close()
            raise WorkerStartError(f"worker socket {self.path}: {error.strerror}") from None
        except BaseException:
            connected.close()
            raise
        connection = await WorkerConnection.over(connected)
        running = _Connected(connection)
        announced = await _announced(connection, running, policy_digest, self.seconds)
        return _logged_in(Worker(str(self.path), connection, announced, running))


def _require_trusted(connected: socket.socket, path: Path) -> None:
    """Refuse a listener that is neither systemd (root) nor a process of this user.

    Of a listening socket the kernel tells who called listen(2): for a socket unit, systemd.
    """
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    if user not in (_ROOT, os.geteuid()):
        raise WorkerStartError(
            f"worker socket {path}: user id {user} listens on it, neither root nor our own user"
        )


async def _announced(
    connection: WorkerConnection, running: Running, policy_digest: str, seconds: float
) -> Started:
    """Wait until a worker has logged in, and return what it says then; stop it otherwise."""
    try:
        async with asyncio.timeout(seconds):
            return _require_agreement(await connection.announcement(), policy_digest)
    except TimeoutError:
        await running.stop()
        raise WorkerStartError(f"not ready after {seconds:g} s") from None
    except FrameError as error:
        await running.stop()
        raise WorkerStartError(str(error)) from error
    except BaseException:
        await running.stop()
        raise


def _logged_in(worker: Worker) -> Worker:
    LOG.info(
        "worker %s is logged in",
        worker.name,
        extra=about(Event.WORKER_READY, worker=worker.name),
    )
    return worker


def _require_agreement(announced: Started | StartFailed, policy_digest: str) -> Started:
    if isinstance(announced, StartFailed):
        raise WorkerStartError(announced.reason)
    if announced.policy_digest != policy_digest:
        raise WorkerStartError("policy.toml changed while tmsd was starting")
    return announced
