"""One worker of the daemon's, seen from the front."""

import asyncio
import socket
from typing import Self

from tmsd.vault.conversation import Conversation
from tmsd.vault.messages import Question, Reply


class WorkerConnection(Conversation[Reply]):
    """The front's end of a worker's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer, Question, Reply)

    @classmethod
    async def over(cls, connected: socket.socket) -> Self:
        """Take over a connected socket."""
        return cls(*await asyncio.open_unix_connection(sock=connected))
