"""Connections of anybody: so many, and none for nothing."""

import asyncio
from collections.abc import Callable

import pytest

from tests.ocsp.records import Records
from tests.responder.serving import HOST, Served, request_about, serving
from tests.site.daemon import PATIENCE

SHORT = 0.2
"""Seconds after which who says nothing is dropped."""


async def said_before_the_end(served: Served, *said: bytes) -> bytes:
    """Connect, say something, and return what is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection(HOST, served.port)
    for words in said:
        writer.write(words)
        await asyncio.sleep(SHORT / 4)
    async with asyncio.timeout(PATIENCE):
        told = await reader.read()
    writer.close()
    return told


POST = b"POST /ocsp HTTP/1.1\r\nHost: there\r\nContent-Type: application/ocsp-request\r\n"


@pytest.mark.parametrize(
    "said",
    [
        (),
        (b"GET /oc",),
        (b"GET /ocsp/MAAA HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 3),
        (POST,),
    ],
    ids=["nothing", "half a line", "some headers", "all but the last header"],
)
async def test_who_does_not_come_to_the_point_is_dropped(
    said: tuple[bytes, ...], records: Records
) -> None:
    async with serving(records, request_seconds=SHORT) as served:
        assert await said_before_the_end(served, *said) == b""


async def test_a_body_that_does_not_come_is_not_waited_for(records: Records) -> None:
    async with serving(records, request_seconds=SHORT) as served:
        told = await said_before_the_end(served, POST + b"Content-Length: 10\r\n\r\n12345")
    assert told.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_serves_several_requests_and_is_closed_when_none_comes(
    records: Records,
) -> None:
    der = request_about(records.ca, await records.issue_and_answer())
    request = POST + f"Content-Length: {len(der)}\r\n\r\n".encode() + der
    async with serving(records, request_seconds=1) as served:
        told = await said_before_the_end(served, request, request, request)
    assert told.count(b"HTTP/1.1 200 OK\r\n") == 3


async def test_only_so_many_connections_are_open_at_once(records: Records) -> None:
    async with serving(records, connections=3) as served:
        held = [await asyncio.open_connection(HOST, served.port) for _ in range(3)]
        assert await said_before_the_end(served) == b""
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        for _ in range(600):
            if await _is_served(served):
                return
            await asyncio.sleep(0.05)
    pytest.fail("nobody is served any more")


async def _is_served(served: Served) -> bool:
    try:
        return (await served.get("/ca/demo.cer")).status == 200
    except (ConnectionError, OSError):
        return False


@pytest.mark.parametrize(
    "line",
    [
        lambda: b"GET /ocsp/" + b"M" * 10_000 + b" HTTP/1.1\r\n\r\n",
        lambda: b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 10_000 + b"\r\n\r\n",
        lambda: b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n",
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    ],
    ids=["a long path", "a long header", "many headers", "TLS"],
)
async def test_what_is_too_much_or_no_http_is_refused(
    line: Callable[[], bytes], served: Served
) -> None:
    assert (await said_before_the_end(served, line())).startswith(b"HTTP/1.")
