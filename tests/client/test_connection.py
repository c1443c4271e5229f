"""What a front-end learns when the service refuses, is not there, or is no such service."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import SERVER, STRANGER, TPS, Credentials, credentials, write_identities
from tmsd.api.problems import KINDS, problem_response
from tmsd.client.connection import Connection, tls_context
from tmsd.client.problem import Problem, ProtocolError, ServiceUnreachable
from tmsd.errors import Code, ServiceError

PATH = "/v1/tks/random"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with certificates."""
    directory = tmp_path_factory.mktemp("identities")
    write_identities(directory, {}, {})
    return directory


def client_settings(identities: Path) -> ssl.SSLContext:
    """Return a caller's TLS settings."""
    files = credentials(identities, TPS)
    trust = credentials(identities, "ca").certificate
    return tls_context(trust, files.certificate, files.private_key)


@asynccontextmanager
async def service(identities: Path, handler: Handler) -> AsyncIterator[Connection]:
    """Serve one handler over TLS; yield a client's connection to it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = credentials(identities, SERVER)
    tls.load_cert_chain(files.certificate, files.private_key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        url = f"https://{HOST}:{port}"
        async with Connection(url, client_settings(identities), seconds=1) as connection:
            yield connection
    finally:
        await runner.cleanup()


def answering(response: Callable[[], web.Response]) -> Handler:
    """Return a handler that gives one answer to everything."""

    async def handle(_request: web.Request) -> web.Response:
        return response()

    return handle


@pytest.mark.parametrize("pointer", [None, "/card/challenge"])
@pytest.mark.parametrize("code", Code)
async def test_every_problem_is_told_as_it_was_meant(
    identities: Path, code: Code, pointer: str | None
) -> None:
    refusal = ServiceError(code, "why, and what would be right", pointer=pointer)

    async with service(
        identities, answering(lambda: problem_response(refusal, "0123"))
    ) as connection:
        with pytest.raises(Problem) as refused:
            await connection.post(PATH, {})

    problem = refused.value
    assert problem.code == code
    assert problem.status == KINDS[code].status
    assert problem.title == KINDS[code].title
    assert problem.next.value == KINDS[code].next
    assert (problem.retry_after is not None) == (KINDS[code].status in (429, 503))
    assert problem.detail == refusal.detail
    assert problem.pointer == pointer
    assert problem.request_id == "0123"


@pytest.mark.parametrize("status", [200, 400, 404, 500, 502])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 200_000,
        b"<html>Bad Gateway</html>",
        b'{"type":',
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"null",
        b"7",
    ],
)
async def test_an_answer_that_is_no_json_object_is_no_answer(
    identities: Path, status: int, body: bytes
) -> None:
    handler = answering(lambda: web.Response(status=status, body=body))

    async with service(identities, handler) as connection:
        with pytest.raises(ProtocolError):
            await connection.post(PATH, {})


@pytest.mark.parametrize(
    "body",
    ["{}", '{"type": "about:blank"}', '{"error": "no"}', '{"status": "four hundred"}'],
)
async def test_a_refusal_without_a_problem_document_is_no_answer(
    identities: Path, body: str
) -> None:
    handler = answering(lambda: web.Response(status=400, text=body))

    async with service(identities, handler) as connection:
        with pytest.raises(ProtocolError, match="without a problem document"):
            await connection.get(PATH)


@pytest.mark.parametrize("announced", [True, False])
async def test_an_answer_out_of_all_proportion_is_refused(
    identities: Path, announced: bool
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if announced:
            response.content_length = 300 * 1024
        await response.prepare(request)
        await response.write(b" " * (300 * 1024))
        return response

    async with service(identities, handle) as connection:
        with pytest.raises(ProtocolError, match="more than 262144 bytes"):
            await connection.get(PATH)


async def test_a_redirection_is_not_followed(identities: Path) -> None:
    asked = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with service(identities, redirect) as connection:
        with pytest.raises(ProtocolError):
            await connection.post(PATH, {"secret": "of this service alone"})

    assert asked == [PATH]


class TestTheServiceIsUnreachable:
    async def test_where_nobody_listens(self, identities: Path) -> None:
        with socket.socket() as unused:
            unused.bind((HOST, 0))
            url = f"https://{HOST}:{unused.getsockname()[1]}"
            async with Connection(url, client_settings(identities)) as connection:
                with pytest.raises(ServiceUnreachable, match=url):
                    await connection.get(PATH)

    async def test_where_it_does_not_answer_in_time(self, identities: Path) -> None:
        with socket.create_server((HOST, 0)) as silent:
            url = f"https://{HOST}:{silent.getsockname()[1]}"
            async with Connection(url, client_settings(identities), seconds=0.2) as connection:
                with pytest.raises(ServiceUnreachable):
                    await connection.get(PATH)

    async def test_where_its_certificate_is_of_another_ca(
        self, site: RunningSite, identities: Path
    ) -> None:
        url = f"https://{HOST}:{site.site.port}"
        async with Connection(url, client_settings(identities)) as connection:
            with pytest.raises(ServiceUnreachable, match="certificate"):
                await connection.get(PATH)

    async def test_where_it_does_not_accept_the_clients_certificate(
        self, site: RunningSite
    ) -> None:
        stranger: Credentials = site.site.credentials(STRANGER)
        trust = site.site.credentials("ca").certificate
        tls = tls_context(trust, stranger.certificate, stranger.private_key)
        async with Connection(f"https://{HOST}:{site.site.port}", tls) as connection:
            with pytest.raises(ServiceUnreachable):
                await connection.get(PATH)


async def test_a_connection_is_used_inside_its_block_alone(identities: Path) -> None:
    connection = Connection(f"https://{HOST}:1", client_settings(identities))

    with pytest.raises(RuntimeError, match="async with"):
        await connection.get(PATH)
