"""Asking a daemon's operations socket."""

import json
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.site.daemon import PATIENCE
from tests.site.directory import Site


class Asking(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("tmsd", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def ask(path: Path, what: str, method: str = "GET") -> tuple[int, Any]:
    """Ask the socket; return the status and, of JSON, the document."""
    connection = Asking(path)
    try:
        connection.request(method, what)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, json.loads(content) if is_json else content


def with_socket(site: Site) -> Path:
    """Give a site an operations socket, and return its path."""
    with site.configuration.open("a") as configuration:
        configuration.write('\n[operations]\nsocket = "o"\n')
    return site.directory / "o"
