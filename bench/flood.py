"""What a flood from one caller costs another: `python -m bench.flood`.

A daemon over SoftHSM serves a caller that opens a channel every 50 ms. Quiet times take turns
with floods by another caller, which asks for as much as it can, with the limits that callers have
when the policy says nothing else. The figure is how long the first one waits for its channels in
the flood, divided by how long in the quiet of the same run.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import click

from bench.flooder import Flood
from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.channels import CHALLENGES, SESSIONS, VERIFY, presented, session_request
from tests.site.daemon import Daemon
from tests.site.directory import HOST, Site
from tests.site.identities import BRANCH, TPS
from tests.softhsm.tokens import SoftHsm

_ROUNDS = 3
_SECONDS = 4.0
_EVERY_SECONDS = 0.05
# Callers are on other machines: a flood must not win by taking this one's processors.
_NICE = ("nice", "-n", "10")


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of flood: over how many connections, and whether each serves one request only."""

    connections: int
    reconnecting: bool

    def __str__(self) -> str:
        how = "a new one for each request" if self.reconnecting else "kept open"
        return f"flood over {self.connections} connections, {how}"


_SHAPES = (Shape(1, False), Shape(16, False), Shape(64, False), Shape(16, True))
_FIGURES: Mapping[str, Callable[[list[float]], float]] = {
    "median": median,
    "99th percentile": lambda values: quantiles(values, n=100)[98],
}


def main() -> None:
    """Measure, and print the figures."""
    with TemporaryDirectory() as name:
        softhsm = SoftHsm(Path(name))
        directory = Path(name, "site")
        directory.mkdir()
        # An empty text leaves a caller the limits that it has by default.
        limits = {TPS: "", BRANCH: ""}
        site = Site(directory, softhsm, batches=[AES128], workers=2, of_callers=limits)
        with closing(site), Daemon(site) as daemon:
            daemon.wait_until_ready()
            for shape in _SHAPES:
                _compare(site, shape)
            daemon.stop()


def _compare(site: Site, shape: Shape) -> None:
    quiet: list[float] = []
    flooded: list[float] = []
    answers: Counter[str] = Counter()
    with Caller(site, BRANCH) as caller:
        for _ in range(_ROUNDS):
            quiet += _latencies(caller)
            with _flooding(site, shape, answers):
                flooded += _latencies(caller)
    told = ", ".join(f"{status} {count} times" for status, count in sorted(answers.items()))
    click.echo(f"{shape}, answered {told}")
    for name, figure in _FIGURES.items():
        before, after = figure(quiet) * 1000, figure(flooded) * 1000
        click.echo(
            f"    {name}: {after:.1f} ms in the flood, {before:.1f} ms in the quiet,"
            f" ratio {after / before:.2f}"
        )


def _latencies(caller: Caller) -> list[float]:
    """Return how many seconds a caller that opens channels waits for each."""
    end = time.monotonic() + _SECONDS
    latencies = []
    while time.monotonic() < end:
        body = session_request(presented(caller, AES128, AES128.card()))
        begun = time.perf_counter()
        opened = caller.post(SESSIONS, body)
        latencies.append(time.perf_counter() - begun)
        if opened.status != 200:
            raise SystemExit(f"the caller that does not flood got {opened.status} {opened.code}")
        time.sleep(_EVERY_SECONDS)
    return latencies


@contextmanager
def _flooding(site: Site, shape: Shape, answers: Counter[str]) -> Iterator[None]:
    """Flood from another process until left, and add up what it was answered."""
    with Caller(site, TPS) as caller:
        card = presented(caller, AES128, AES128.card())
    files = site.credentials(TPS)
    flood = Flood(
        host=HOST,
        port=site.port,
        trust=str(site.credentials("ca").certificate),
        certificate=str(files.certificate),
        private_key=str(files.private_key),
        connections=shape.connections,
        reconnecting=shape.reconnecting,
        requests=[_request(CHALLENGES, {"length": 8}), _request(VERIFY, {"card": card})],
    )
    with subprocess.Popen(
        [*_NICE, sys.executable, "-m", "bench.flooder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        if process.stdin is None:
            raise TypeError
        process.stdin.write(flood.to_line())
        process.stdin.flush()
        time.sleep(1)  # until it has spent what a pause had saved
        yield
        told, _ = process.communicate()
    answers.update(json.loads(told))


def _request(path: str, body: object) -> str:
    content = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n{content}"
    )


if __name__ == "__main__":
    main()
