"""Reaching a worker: connecting to one that somebody else started, and hearing that it is ready."""

import asyncio
import os
import socket
import struct
from pathlib import Path

from tmsd.vault.conversation import Conversation, R
from tmsd.vault.framing import FrameError
from tmsd.vault.worker_messages import Started, StartFailed

_ROOT = 0
# struct ucred (unix(7), SO_PEERCRED): process, user, group.
_CREDENTIALS = struct.Struct("iII")


class WorkerStartError(Exception):
    """A worker did not start; the text says why.

    Starting another is always harmless: what a PIN that was refused needs is a latch, which
    stands before the token (hsm/pin_latch.py).
    """


def connect_to(path: Path) -> socket.socket:
    """Connect to a worker's socket, and make sure who listens.

    Raises:
        WorkerStartError: nobody does, or neither systemd nor a process of this user.
    """
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # On a Unix socket it succeeds or fails at once, but for a full backlog.
        connected.setblocking(False)
        connected.connect(str(path))
        _require_trusted(connected, path)
    except OSError as error:
        connected.close()
        raise WorkerStartError(f"worker socket {path}: {error.strerror}") from None
    except BaseException:
        connected.close()
        raise
    return connected


async def announced(connection: Conversation[R], policy_digest: str, seconds: float) -> Started:
    """Wait until a worker has logged in, and return what it says then.

    Raises:
        WorkerStartError: with its own reason; or it goes by another policy, says something else,
            or nothing in time. It is for the caller to end it.
    """
    try:
        async with asyncio.timeout(seconds):
            told = await connection.announcement()
    except TimeoutError:
        raise WorkerStartError(f"not ready after {seconds:g} s") from None
    except FrameError as error:
        raise WorkerStartError(str(error)) from error
    if isinstance(told, StartFailed):
        raise WorkerStartError(told.reason)
    if told.policy_digest != policy_digest:
        raise WorkerStartError("policy.toml changed since this process read it")
    return told


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
