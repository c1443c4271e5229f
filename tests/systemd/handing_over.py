"""Handing a listening socket over as systemd does it: as descriptor 3, meant for one process."""

import socket

# In bash, as dash knows descriptors of one digit alone.
_HAND_OVER = 'exec 3<&"$1"; shift; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


def handing_over(listener: socket.socket) -> list[str]:
    """Return the command that hands a socket over to the program whose command line follows.

    Who starts it must let it inherit the socket's descriptor (`pass_fds`).
    """
    return ["bash", "-c", _HAND_OVER, "bash", str(listener.fileno())]
