"""The worker's end of a socket, in the hands of a test: it answers as workers may, or must not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tmsd.vault.card_messages import RandomMade
from tmsd.vault.certificate_messages import ENTRY_LENGTH, SignCrl
from tmsd.vault.connection import WorkerConnection
from tmsd.vault.framing import FrameReader, encode
from tmsd.vault.messages import AnyAnswer, Question, Reply
from tmsd.vault.worker_messages import Condition, Receipt

PATIENCE = 5.0
LONG_CRL = SignCrl("appliance", "demo", 0, 1, None, bytes(100_000 * ENTRY_LENGTH))
"""A question that may take ten seconds longer than others of its lane."""

ANSWER = RandomMade(random=b"four")


class OtherEnd:
    """Reads questions, and says what the test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._frames = FrameReader(Question)
        self._arrived: list[Question] = []

    async def question(self) -> Question:
        """Return the next question."""
        while not self._arrived:
            received = await self._reader.read(65536)
            assert received, "the front went away"
            self._arrived += self._frames.feed(received)
        return self._arrived.pop(0)

    def reply(
        self, number: int, answer: AnyAnswer = ANSWER, receipt: Receipt | None = None
    ) -> None:
        """Answer a question."""
        self.writer.write(encode(Reply(number=number, answer=answer, receipt=receipt)))

    def tell(self, state: str, reason: str | None = None) -> None:
        """Tell a condition: `operational` or `lost`."""
        is_lost = state == "lost"
        self.reply(0, Condition("lost" if is_lost else "operational", 1, 0, 0, reason))

    def die(self) -> None:
        """End as a killed process does."""
        self.writer.transport.abort()


def receipt(sequence: int) -> Receipt:
    """Return a receipt such as a worker makes."""
    return Receipt(
        worker=bytes(8),
        generation=1,
        sequence=sequence,
        operation="make-random",
        digest=bytes(32),
        key_version=1,
        mac=bytes(16),
    )


@asynccontextmanager
async def connected(
    silence_seconds: float = PATIENCE, changes: list[bool] | None = None
) -> AsyncIterator[tuple[WorkerConnection, OtherEnd]]:
    """Yield both ends of a socket whose answers are being delivered."""
    here, there = socket.socketpair()
    worker = await WorkerConnection.over(here)
    other = OtherEnd(*await asyncio.open_unix_connection(sock=there))

    def changed() -> None:
        if changes is not None:
            changes.append(worker.is_operational)

    delivering = asyncio.create_task(worker.deliver_answers(lambda: silence_seconds, changed))
    try:
        yield worker, other
    finally:
        other.writer.close()
        await asyncio.gather(delivering, return_exceptions=True)
