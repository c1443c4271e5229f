"""One HTTPS connection pool to the service: JSON in, JSON or a problem out."""

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from errno import ECONNRESET, EPIPE
from functools import partial
from pathlib import Path
from typing import Any, Self

import aiohttp

from tmsd.client.patience import ask_with_patience
from tmsd.client.problem import Problem, ProtocolError, ServiceUnreachable

LARGEST_ANSWER = 256 * 1024
"""The most bytes that an answer has; a CRL may have more."""


def tls_context(trust: Path, certificate: Path, private_key: Path) -> ssl.SSLContext:
    """Return TLS 1.3 settings that trust one CA file and present one certificate.

    Raises:
        OSError: a file cannot be read, or is no certificate or key.
    """
    context = ssl.create_default_context(cafile=trust)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, private_key)
    return context


class Connection:
    """Keeps connections to the service open; use it as an asynchronous context manager.

    Every request of this API can be made twice: it is a function of its body, or what it does is
    done once, or what it used up is refused the second time (`challenge-used`). So one that was
    refused for a while, or whose answer was lost, can be asked again here.

    Args:
        url: such as `https://tks.example:8443`.
        tls: from `tls_context`.
        seconds: how long one request may take.
        patience: for how many seconds it is asked again (`patience.py`); not at all by default.
    """

    def __init__(
        self, url: str, tls: ssl.SSLContext, *, seconds: float = 10.0, patience: float = 0.0
    ) -> None:
        self._patience = patience
        self._url = url.rstrip("/")
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls), timeout=self._timeout
        )
        return self

    async def __aexit__(self, *_raised: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, *, largest: int = LARGEST_ANSWER) -> dict[str, Any]:
        """Ask for a document of so many bytes at most; raises as `post` does."""
        return await self._ask(partial(self._request, "GET", path, None, {}, largest))

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send a body, if there is one, and return the answer's.

        Raises:
            Problem: the service refused.
            ServiceUnreachable: no answer came.
            ProtocolError: what came is no answer of this API.
        """
        return await self._ask(
            partial(self._request, "POST", path, body, headers or {}, LARGEST_ANSWER)
        )

    async def _ask(self, request: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        return await ask_with_patience(request, self._patience)

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        largest: int,
    ) -> dict[str, Any]:
        if self._session is None:
            raise RuntimeError("use the connection in `async with`")
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                return await _answer(response, largest)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnreachable(f"{self._url}: {_reason(error)}") from error


def _reason(error: aiohttp.ClientError | TimeoutError) -> str:
    reason = str(error) or type(error).__name__
    is_closed = isinstance(error, aiohttp.ServerDisconnectedError) or (
        isinstance(error, OSError) and error.errno in (ECONNRESET, EPIPE)
    )
    # In TLS 1.3 a client is done with the handshake before the server has looked at its
    # certificate (RFC 8446, figure 1); a refusal then often shows as a closed connection.
    return f"{reason}. Does the service trust this client's certificate?" if is_closed else reason


async def _answer(response: aiohttp.ClientResponse, largest: int) -> dict[str, Any]:
    content = await _content(response, largest)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"HTTP {response.status} without a JSON body") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"HTTP {response.status} with JSON that is no object")
    if response.status != 200:
        raise Problem.parse(document, response.headers.get("Retry-After"))
    return document


async def _content(response: aiohttp.ClientResponse, largest: int) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > largest:
            raise ProtocolError(f"an answer of more than {largest} bytes")
    return bytes(content)
