"""What callers that ask for nothing cost: `python -m bench.idle_connections`.

A daemon over SoftHSM serves one caller while others hold 2,000 connections open. Quiet times
take turns with crowded ones. The figures are how much memory of the front each connection has,
and how long the one caller waits for its channels in the crowd, divided by how long without.
"""

import time
from contextlib import closing
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import click

from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.channels import SESSIONS, presented, session_request
from tests.site.daemon import Daemon
from tests.site.directory import Site
from tests.site.identities import BRANCH, DESK, OFFLINE, TPS
from tests.site.idle_connections import idle_connections, resident_bytes
from tests.softhsm.tokens import SoftHsm

_ROUNDS = 3
_CONNECTIONS = 2000
_CHANNELS = 200


def main() -> None:
    """Measure, and print the figures."""
    alone: list[float] = []
    crowded: list[float] = []
    kibibytes: list[float] = []
    with TemporaryDirectory() as name:
        directory = Path(name, "site")
        directory.mkdir()
        site = Site(
            directory, SoftHsm(Path(name)), batches=[AES128], limits="idle_seconds = 3600.0"
        )
        with closing(site), Daemon(site) as daemon, Caller(site, BRANCH) as caller:
            daemon.wait_until_ready()
            _latencies(caller)
            before = resident_bytes(daemon.pid)
            for _ in range(_ROUNDS):
                alone += _latencies(caller)
                with idle_connections(daemon, _CONNECTIONS, (TPS, DESK, OFFLINE)):
                    kibibytes.append((resident_bytes(daemon.pid) - before) / _CONNECTIONS / 1024)
                    crowded += _latencies(caller)
            daemon.stop()
    click.echo(f"{_CONNECTIONS} idle connections: {mean(kibibytes):.0f} KiB of the front each")
    with_them, without = median(crowded) * 1000, median(alone) * 1000
    click.echo(
        f"    median: {with_them:.1f} ms beside them, {without:.1f} ms without,"
        f" ratio {with_them / without:.2f}"
    )


def _latencies(caller: Caller) -> list[float]:
    """Return how many seconds a caller waits for each of its channels."""
    latencies = []
    for _ in range(_CHANNELS):
        body = session_request(presented(caller, AES128, AES128.card()))
        begun = time.perf_counter()
        opened = caller.post(SESSIONS, body)
        latencies.append(time.perf_counter() - begun)
        if opened.status != 200:
            raise SystemExit(f"the caller beside them got {opened.status} {opened.code}")
    return latencies


if __name__ == "__main__":
    main()
