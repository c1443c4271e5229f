"""What systemd hears: a datagram socket of our own in place of its own ($NOTIFY_SOCKET)."""

import socket
import time
from pathlib import Path
from typing import Self

HEARING_SECONDS = 30.0


class ListeningManager:
    """Hears what a process says to its service manager, in order."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "n"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._socket.close()

    def hear_until(self, word: str, seconds: float = HEARING_SECONDS) -> list[str]:
        """Return all that is said up to a message with this line; TimeoutError without one."""
        heard: list[str] = []
        end = time.monotonic() + seconds
        while word not in "\n".join(heard).splitlines():
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            heard.append(self._socket.recv(65536).decode())
        return heard

    def rest(self) -> list[str]:
        """Return what was said and not heard yet."""
        self._socket.setblocking(False)
        heard: list[str] = []
        while True:
            try:
                heard.append(self._socket.recv(65536).decode())
            except BlockingIOError:
                return heard


def lines(messages: list[str]) -> list[str]:
    """Return the lines of messages, without those that say no more than that the sender lives."""
    said = "\n".join(messages).splitlines()
    return [line for line in said if line != "WATCHDOG=1"]
