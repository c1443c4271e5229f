"""A wire to a PostgreSQL server that can be cut at the worst moment: when it has committed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_SOCKET = ".s.PGSQL.5432"
_COMMIT = b"COMMIT\0"
_CHUNK = 65536


class Relay:
    """Passes on what client and server say, until it is told to lose an answer.

    Attributes:
        loses_answers: whether the answer to a COMMIT is lost, and the connection with it.
    """

    def __init__(self, server: Path) -> None:
        self.loses_answers = False
        self._server = server

    def serve(self, listener: socket.socket) -> None:
        """Serve one connection after another, until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server / _SOCKET))
        with closing(client), closing(server):
            answering = threading.Thread(target=self._answer, args=(server, client), daemon=True)
            answering.start()
            while said := client.recv(_CHUNK):
                if self.loses_answers and _COMMIT in said:
                    client.shutdown(socket.SHUT_RDWR)
                server.sendall(said)
            server.shutdown(socket.SHUT_WR)  # the server ends once it has done what it was told
            answering.join()

    @staticmethod
    def _answer(server: socket.socket, client: socket.socket) -> None:
        while said := server.recv(_CHUNK):
            try:
                client.sendall(said)
            except OSError:
                continue


@contextmanager
def relayed(server: Path, folder: Path) -> Iterator[Relay]:
    """Listen in a folder, as the server in another does."""
    relay = Relay(server)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / _SOCKET))
        listener.listen()
        threading.Thread(target=relay.serve, args=(listener,), daemon=True).start()
        yield relay
