"""A program that asks each of many requests once, over connections that it keeps: a fleet of TPSs.

Its first line of input is a `Load` as JSON. It opens the connections and says so by a line; at the
next line it begins, and its output is the `Asked` as JSON. It does no more than it must, as it
shares the machine with what it measures.
"""

import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Load:
    """Whom to ask, as whom, and what.

    Attributes:
        host: of the daemon; `port` is its port.
        trust: file of the CA that the daemon's certificate is of.
        certificate: file of the caller's; `private_key` is its key.
        connections: how many share the requests, each with one at a time.
        requests: whole HTTP requests.
    """

    host: str
    port: int
    trust: str
    certificate: str
    private_key: str
    connections: int
    requests: list[str]

    def to_line(self) -> str:
        """Return what the program reads."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Return what the program was told."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Asked:
    """How it went: the time in seconds, this program's own of processor time, and the answers."""

    seconds: float
    cpu_seconds: float
    statuses: dict[str, int]
    bodies: list[str]

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Return what the program says."""
        return cls(**json.loads(line))


class _Connection(asyncio.Protocol):
    """One request at a time, as long as there are some."""

    def __init__(self, requests: list[bytes], heads: list[bytes], bodies: list[bytes]) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self._requests, self._heads, self._bodies = requests, heads, bodies
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def ask(self) -> None:
        """Send the next request, or stop."""
        if self._transport is None:
            raise ConnectionError
        if self._requests:
            self._transport.write(self._requests.pop())
        elif not self.over.done():
            self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if separator and len(body) >= int(length):
            self._received = b""
            self._heads.append(head)
            self._bodies.append(body)
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(error or ConnectionError("the connection was closed"))


async def _ask(load: Load) -> Asked:
    tls = ssl.create_default_context(cafile=load.trust)
    tls.load_cert_chain(load.certificate, load.private_key)
    requests = [request.encode() for request in reversed(load.requests)]
    heads: list[bytes] = []
    bodies: list[bytes] = []
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            lambda: _Connection(requests, heads, bodies), load.host, load.port, ssl=tls
        )
        for _ in range(load.connections)
    ]
    print("connected", flush=True)  # noqa: T201  see above
    await loop.run_in_executor(None, sys.stdin.readline)
    begun, processor = time.perf_counter(), time.process_time()
    for _, connection in opened:
        connection.ask()
    await asyncio.gather(*(connection.over for _, connection in opened))
    taken, processor = time.perf_counter() - begun, time.process_time() - processor
    for transport, _ in opened:
        transport.abort()
    statuses = Counter(head.split(b" ", 2)[1].decode() for head in heads)
    return Asked(taken, processor, dict(statuses), [body.decode() for body in bodies])


if __name__ == "__main__":
    asked = asyncio.run(_ask(Load.from_line(sys.stdin.readline())))
    json.dump(asdict(asked), sys.stdout)
