"""Workers that somebody else starts, as units of systemd: reached over a Unix socket each.

The front then runs as another user than the worker and can reach neither the PIN nor the
PKCS#11 module (architecture: the worker alone holds the HSM login).
"""

import os
import socket
import struct
from pathlib import Path

from tmsd.daemon.workers import WorkerStartError, announcement_of
from tmsd.vault.messages import Started
from tmsd.vault.pool import WorkerConnection

_ROOT = 0
# struct ucred (unix(7), SO_PEERCRED): process, user, group.
_CREDENTIALS = struct.Struct("iII")


class SocketWorker:
    """A worker behind a socket; closing the connection ends its work for this front."""

    def __init__(self, path: Path, connection: WorkerConnection) -> None:
        self.name = str(path)
        self.connection = connection

    async def stop(self) -> None:
        """Close the connection; whoever started the worker sees to its process."""
        self.connection.close()


async def connect(path: Path, policy_digest: str, seconds: float) -> tuple[SocketWorker, Started]:
    """Connect to a worker, wait until it has logged in, and return what it said then.

    Args:
        path: of the socket. systemd or the worker itself listens on it.
        policy_digest: of the policy that the front goes by.
        seconds: how long it may take.

    Raises:
        WorkerStartError: nobody listens, somebody else does, or the worker gave a reason.
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
    worker = SocketWorker(path, await WorkerConnection.over(connected))
    return worker, await announcement_of(worker, policy_digest, seconds)


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
