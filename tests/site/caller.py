"""A caller: requests go out as bytes, answers come in as bytes, and nothing is smoothed over."""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse, HTTPSConnection
from typing import Any, Self

from tests.site.contract import JSON, Answer, Asked, Contract
from tests.site.directory import HOST, Site

ANSWER_SECONDS = 20.0


def tls_settings(site: Site, name: str) -> ssl.SSLContext:
    """Return TLS 1.3 settings that trust the site's CA and present somebody's certificate."""
    context = ssl.create_default_context(cafile=site.credentials("ca").certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    files = site.credentials(name)
    context.load_cert_chain(files.certificate, files.private_key)
    return context


@contextmanager
def connected(site: Site, name: str, seconds: float = ANSWER_SECONDS) -> Iterator[ssl.SSLSocket]:
    """Return a connection of somebody's for bytes as they stand, after its handshake."""
    with (
        socket.create_connection((HOST, site.port), timeout=seconds) as plain,
        tls_settings(site, name).wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        yield connection


class Caller:
    """Somebody's connection to a site; it is opened when it is needed.

    Args:
        site: which is running.
        name: somebody in identities.py.
        contract: what every answer is held against; None before there is one.
    """

    def __init__(self, site: Site, name: str, contract: Contract | None = None) -> None:
        self.name = name
        self._contract = contract
        self._connection = HTTPSConnection(
            HOST, site.port, context=tls_settings(site, name), timeout=ANSWER_SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a body as JSON."""
        return self.send("POST", path, json.dumps(body).encode(), headers)

    def get(self, path: str) -> Answer:
        """Ask without a body."""
        return self.send("GET", path)

    def send(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send any bytes; headers are those of JSON unless they are given."""
        default = {} if content is None else {"Content-Type": JSON}
        try:
            self._connection.request(
                method, path, content, dict(default if headers is None else headers)
            )
            answer = read_answer(self._connection.getresponse())
        except BaseException:
            self._connection.close()
            raise
        if self._contract is not None:
            self._contract.hold(Asked(method, path, content), answer)
        return answer


def read_answer(response: HTTPResponse) -> Answer:
    """Read an answer to its end."""
    content = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, content, json.loads(content) if content else None)
