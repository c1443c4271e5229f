"""Listening TCP sockets: made here, where systemd has made none, and as people write them."""

import socket

# Who comes in a burst waits in the kernel, which allows so many (net.core.somaxconn).
_BACKLOG = 4096


def listener_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an IP address.

    Raises:
        OSError: it cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def address_of(listener: socket.socket) -> str:
    """Return address and port, as `192.0.2.1:8443` or `[2001:db8::1]:8443`."""
    host, port, *_ = listener.getsockname()
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
