"""Connections that callers open and leave alone, and what they cost the front."""

import re
import resource
import socket
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.site.caller import tls_settings
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import HOST
from tests.site.identities import TPS
from tests.site.looking_inside import inside

_ADDRESSES = 16


@contextmanager
def idle_connections(daemon: Daemon, count: int, names: Sequence[str] = (TPS,)) -> Iterator[None]:
    """Have callers hold so many connections open, after their handshakes, until left.

    They come from several addresses, as handshakes of one wait for each other.
    """
    before = descriptors(daemon)
    _allow_descriptors(2 * count)
    settings = [tls_settings(daemon.site, name) for name in names]

    def open_connection(number: int) -> ssl.SSLSocket:
        own_address = (f"127.0.0.{number % _ADDRESSES + 2}", 0)
        plain = socket.create_connection((HOST, daemon.site.port), 60, own_address)
        return settings[number % len(settings)].wrap_socket(plain, server_hostname=HOST)

    with ExitStack() as held, ThreadPoolExecutor(_ADDRESSES) as opening:
        for connection in opening.map(open_connection, range(count)):
            held.enter_context(connection)
        # To a client of TLS 1.3 the handshake is over before the daemon has seen its end.
        wait_until(lambda: descriptors(daemon) >= before + count)
        yield


def descriptors(daemon: Daemon) -> int:
    """Return how many descriptors the front has open."""
    return len(list(inside(daemon.pid, "fd").iterdir()))


def sockets(daemon: Daemon) -> int:
    """Return how many sockets the front has open; of files it may have opened some just now."""
    return sum(each.is_socket() for each in inside(daemon.pid, "fd").iterdir())


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has (VmRSS of proc_pid_status(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    (kibibytes,) = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) * 1024


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
