"""Sockets that systemd made and this process inherits (sd_listen_fds(3), systemd.socket(5))."""

import os
import socket

from tmsd.systemd.library import required

_FAMILIES = {"TCP": (socket.AF_INET, socket.AF_INET6), "Unix": (socket.AF_UNIX,)}


class UnusableSocket(Exception):
    """systemd handed over a descriptor that cannot be listened on as it is wanted."""


def inherited_listeners(kind: str) -> list[socket.socket]:
    """Return the listening sockets handed to this process; none where it was started without.

    Its children are handed nothing: the variables that say so are removed from the environment.

    Args:
        kind: "TCP" or "Unix": what each of them must be.

    Raises:
        UnusableSocket: one of them is something else.
        SystemdLibraryMissing: there are some, and systemd-python is not installed.
    """
    if "LISTEN_FDS" not in os.environ:
        return []
    daemon = required("systemd.daemon", "$LISTEN_FDS")
    return [_listener(descriptor, kind) for descriptor in daemon.listen_fds()]


def _listener(descriptor: int, kind: str) -> socket.socket:
    wanted = f"descriptor {descriptor} of systemd is no listening {kind} socket: "
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise UnusableSocket(f"{wanted}{error.strerror}") from error
    is_listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.type != socket.SOCK_STREAM or not is_listening:
        raise UnusableSocket(f"{wanted}see ListenStream= and Accept=no of its unit")
    if listener.family not in _FAMILIES[kind]:
        raise UnusableSocket(f"{wanted}it is of {listener.family.name}")
    return listener
