"""Keeping a worker at hand: a process of our own, or one behind a socket; another when it ends."""

import asyncio
import logging
import random
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from tmsd.systemd.journal import Event, about
from tmsd.vault.framing import FrameError
from tmsd.vault.messages import Condition, Started, StartFailed
from tmsd.vault.pool import Vault, WorkerConnection

LOG = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_STOP_SECONDS = 5.0


class WorkerStartError(Exception):
    """A worker did not start; the text says why.

    Starting another is always harmless: what a PIN that was refused needs is a latch, which
    stands before the token (hsm/pin_latch.py).
    """


class Worker(Protocol):
    """A worker that is connected.

    Attributes:
        name: for the log.
        connection: where it is asked.
    """

    name: str
    connection: WorkerConnection

    async def stop(self) -> None:
        """Take leave of it."""


Start = Callable[[], Awaitable[tuple[Worker, Started]]]
"""Starts or reaches a worker; returns it and what it announced, or raises WorkerStartError."""


class WorkerProcess:
    """A worker and the only socket to it; closing the socket ends the worker."""

    def __init__(self, process: asyncio.subprocess.Process, connection: WorkerConnection) -> None:
        self._process = process
        self.name = str(process.pid)
        self.connection = connection

    async def stop(self) -> None:
        """Close the socket; kill the process if it does not end by itself."""
        self.connection.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            LOG.warning("worker %d does not end and is killed", self._process.pid)
            self._process.kill()
            await self._process.wait()


async def spawn(
    config_file: Path, policy_digest: str, seconds: float
) -> tuple[WorkerProcess, Started]:
    """Start a worker, wait until it has logged in, and return what it said then.

    Args:
        config_file: tmsd.toml, which the worker reads by itself.
        policy_digest: of the policy that the front goes by.
        seconds: how long it may take.

    Raises:
        WorkerStartError: with the worker's own reason.
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with there:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tmsd.worker",
            "--config",
            str(config_file),
            "--descriptor",
            str(there.fileno()),
            pass_fds=[there.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
        )
    worker = WorkerProcess(process, await WorkerConnection.over(here))
    return worker, await announcement_of(worker, policy_digest, seconds)


async def announcement_of(worker: Worker, policy_digest: str, seconds: float) -> Started:
    """Wait until a worker has logged in, and return what it says then; stop it otherwise.

    Raises:
        WorkerStartError: with the worker's own reason, or what it did instead of answering.
    """
    try:
        async with asyncio.timeout(seconds):
            announced = _ready(await worker.connection.announcement(), policy_digest)
    except TimeoutError:
        await worker.stop()
        raise WorkerStartError(f"not ready after {seconds:g} s") from None
    except FrameError as error:
        await worker.stop()
        raise WorkerStartError(str(error)) from error
    except BaseException:
        await worker.stop()
        raise
    LOG.info(
        "worker %s is logged in", worker.name, extra=about(Event.WORKER_READY, worker=worker.name)
    )
    return announced


def _ready(announced: Started | StartFailed, policy_digest: str) -> Started:
    if isinstance(announced, StartFailed):
        raise WorkerStartError(announced.reason)
    if announced.policy_digest != policy_digest:
        raise WorkerStartError("policy.toml changed while tmsd was starting")
    return announced


class WorkerKeeper:
    """Holds one worker for the vault and replaces it, with growing pauses, when it ends.

    Attributes:
        announced: what the latest worker said of itself; None before the first.
    """

    def __init__(self, vault: Vault, start: Start) -> None:
        self._vault = vault
        self._start = start
        self.announced: Started | None = None
        self._worker: Worker | None = None

    @property
    def is_serving(self) -> bool:
        """Whether there is a worker that has its token."""
        return self._worker is not None and self._worker.connection.is_operational

    @property
    def condition(self) -> Condition | None:
        """What the worker last said of itself; None where there is none."""
        return self._worker.connection.condition if self._worker else None

    async def keep(self, ready: asyncio.Event) -> None:
        """Serve until cancelled; `ready` is set when the first worker is.

        Raises:
            WorkerStartError: the first worker did not start.
        """
        pause = _FIRST_PAUSE
        reason = None
        while True:
            try:
                worker, self.announced = await self._start()
            except WorkerStartError as error:
                if not ready.is_set():
                    raise
                if str(error) != reason:
                    refused = about(Event.WORKER_REFUSED)
                    LOG.error("the worker did not start: %s", error, extra=refused)  # noqa: TRY400  the reason says it all
                reason = str(error)
            else:
                pause = _FIRST_PAUSE
                reason = None
                await self._serve(worker, ready)
                ended = about(Event.WORKER_ENDED, worker=worker.name)
                LOG.error("the worker ended; starting another", extra=ended)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  jitter, no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _serve(self, worker: Worker, ready: asyncio.Event) -> None:
        self._vault.attach(worker.connection)
        self._worker = worker
        ready.set()
        try:
            await worker.connection.deliver_answers()
        except FrameError:
            LOG.exception("the worker broke the protocol")
        finally:
            self._worker = None
            self._vault.detach()
            await worker.stop()
