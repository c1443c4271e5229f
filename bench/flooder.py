"""A program that asks as fast as it can over many connections, until its input ends.

Its first line of input is a `Flood` as JSON; its output are the answers, counted by status.
"""

import asyncio
import json
import ssl
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Self

# After a connection that was refused or broke off; a real attacker would not wait, either.
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Flood:
    """Whom to ask, as whom, and what.

    Attributes:
        host: of the daemon; `port` is its port.
        trust: file of the CA that the daemon's certificate is of.
        certificate: file of the flooding caller's; `private_key` is its key.
        connections: how many are open at once; one that is closed is opened again.
        reconnecting: open another connection for each request.
        requests: whole HTTP requests, sent in turns.
    """

    host: str
    port: int
    trust: str
    certificate: str
    private_key: str
    connections: int
    reconnecting: bool
    requests: list[str]

    def to_line(self) -> bytes:
        """Return what the program reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Return what the program was told."""
        return cls(**json.loads(line))


async def _flood(flood: Flood) -> Counter[str]:
    tls = ssl.create_default_context(cafile=flood.trust)
    tls.load_cert_chain(flood.certificate, flood.private_key)
    answers: Counter[str] = Counter()
    flooding = [
        asyncio.create_task(_keep_asking(flood, tls, answers)) for _ in range(flood.connections)
    ]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for each in flooding:
        each.cancel()
    await asyncio.gather(*flooding, return_exceptions=True)
    return answers


async def _keep_asking(flood: Flood, tls: ssl.SSLContext, answers: Counter[str]) -> None:
    requests = cycle(request.encode() for request in flood.requests)
    while True:
        try:
            reader, writer = await asyncio.open_connection(flood.host, flood.port, ssl=tls)
            try:
                while True:
                    writer.write(next(requests))
                    answers[await _status(reader)] += 1
                    if flood.reconnecting:
                        break
            finally:
                writer.transport.abort()
        except (OSError, EOFError):
            answers["broken off"] += 1
            await asyncio.sleep(_PAUSE_SECONDS)


async def _status(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    _, _, length = head.partition("content-length: ")
    await reader.readexactly(int(length.partition("\r\n")[0]))
    return head.split(" ", 2)[1]


if __name__ == "__main__":
    counted = asyncio.run(_flood(Flood.from_line(sys.stdin.readline())))
    json.dump(counted, sys.stdout)
