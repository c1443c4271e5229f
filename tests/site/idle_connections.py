"""Connections that callers open and leave alone, and what they cost the front."""

import re
import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.site.caller import tls_settings
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import HOST
from tests.site.identities import TPS


@contextmanager
def idle_connections(daemon: Daemon, count: int, names: Sequence[str] = (TPS,)) -> Iterator[None]:
    """Have callers hold so many connections open, after their handshakes, until left."""
    before = descriptors(daemon)
    _allow_descriptors(2 * count)
    settings = [tls_settings(daemon.site, name) for name in names]
    with ExitStack() as held:
        for number in range(count):
            plain = held.enter_context(socket.create_connection((HOST, daemon.site.port), 60))
            tls = settings[number % len(settings)].wrap_socket(plain, server_hostname=HOST)
            held.enter_context(tls)
        # To a client of TLS 1.3 the handshake is over before the daemon has seen its end.
        wait_until(lambda: descriptors(daemon) >= before + count)
        yield


def descriptors(daemon: Daemon) -> int:
    """Return how many descriptors the front has open."""
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


def sockets(daemon: Daemon) -> int:
    """Return how many sockets the front has open; of files it may have opened some just now."""
    return sum(each.is_socket() for each in Path(f"/proc/{daemon.pid}/fd").iterdir())


def resident_bytes(daemon: Daemon) -> int:
    """Return how much memory the front has (VmRSS of proc_pid_status(5))."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    (kibibytes,) = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) * 1024


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
