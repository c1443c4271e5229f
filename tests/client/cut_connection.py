"""What stands between a client and the service, and loses answers when a test wants it to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.site.directory import HOST


class CutConnection:
    """Hands bytes on between clients and a port of this machine.

    Attributes:
        port: that clients connect to.
        cuts: whether it closes a connection in place of handing on the next answer.
        lost: how many answers were lost that way.
    """

    def __init__(self, service: int) -> None:
        self._service = service
        self.port = 0
        self.cuts = False
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what comes and goes over one connection."""
        answers, requests = await asyncio.open_connection(HOST, self._service)
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._hand_on(reader, requests, loses=False))
                both.create_task(self._hand_on(answers, writer, loses=True))

    async def _hand_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, loses: bool
    ) -> None:
        while read := await source.read(65536):
            if loses and self.cuts:
                self.cuts = False
                self.lost += 1
                break
            sink.write(read)
        sink.close()


@asynccontextmanager
async def cut_connection(service: int) -> AsyncIterator[CutConnection]:
    """Stand between clients and a port of this machine."""
    between = CutConnection(service)
    async with await asyncio.start_server(between.serve, HOST, 0) as server:
        between.port = server.sockets[0].getsockname()[1]
        yield between
