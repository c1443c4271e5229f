"""The front comes to a worker that systemd started, over the listening socket of its unit."""

import os
import socket
import struct
from pathlib import Path

# struct ucred (unix(7), SO_PEERCRED): process, user, group.
_CREDENTIALS = struct.Struct("iII")


class NoListener(Exception):
    """The worker was started with neither a descriptor nor one socket of a unit."""


def the_one(listeners: list[socket.socket]) -> socket.socket:
    """Return the only listener.

    Raises:
        NoListener: there is none, or more than one.
    """
    if len(listeners) != 1:
        raise NoListener(
            f"systemd handed over {len(listeners)} sockets, and one is needed: start this by "
            "tmsd-worker@.socket, or by tmsd itself"
        )
    return listeners[0]


def accept_front(listener: socket.socket) -> socket.socket | None:
    """Wait for somebody to connect; return the connection, or None if it is not the front.

    The front is a process of the group that the socket's file has (SocketGroup= of its unit),
    or of the worker's own user. That the group alone may open the file is the first lock; this
    one holds where somebody relaxed the file's mode.
    """
    connection, _ = listener.accept()
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, group = _CREDENTIALS.unpack(told)
    if user == os.geteuid() or group == Path(listener.getsockname()).stat().st_gid:
        return connection
    connection.close()
    return None
