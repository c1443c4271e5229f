"""What is not HTTP/1.1 is refused in words like everything else, and nothing of it is logged."""

from http.client import HTTPResponse
from ssl import SSLSocket

import pytest

from tests.site.caller import connected, read_answer
from tests.site.channels import CHALLENGES, RANDOM
from tests.site.contract import Answer
from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import TPS
from tmsd.api.problems import KINDS
from tmsd.errors import Code

MARK = "confidential-2718"
JSON = "Content-Type: application/json"


def asked(site: RunningSite, sent: bytes) -> Answer:
    """Return what bytes are answered, whatever they are; the connection is closed after it."""
    with connected(site.site, TPS) as connection:
        connection.sendall(sent)
        answer = read_response(connection)
        assert connection.recv(1) == b""
    return answer


def read_response(connection: SSLSocket) -> Answer:
    response = HTTPResponse(connection)
    response.begin()
    return read_answer(response)


def post(*fields: str, body: str = "", path: str = RANDOM, version: str = "HTTP/1.1") -> bytes:
    lines = [f"POST {path} {version}", f"Host: {HOST}", f"X-Mark: {MARK}", *fields, "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        f"{MARK}\r\n\r\n".encode(),
        f"GET\r\n{MARK}\r\n\r\n".encode(),
        f"G@T /{MARK} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
        f"GET /{MARK} HTTP/9.9\r\nHost: {HOST}\r\n\r\n".encode(),
        f"GET /{MARK} HTTP/2.0\r\n\r\nSM\r\n\r\n".encode(),
        f"GET /{MARK} http/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
        f"GET /{MARK}\x00 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\nX-Mark: {MARK}\r\n\r\n".encode(),
        post("no colon"),
        post("name : value"),
        post(" : value"),
        post("Na(me: value"),
        post("Name: va\x00lue"),
        post("Name: one\r\n two"),
        post(f"Host: {MARK}"),
        post("Content-Length: 1", "Content-Length: 2", body="{}"),
        post("Content-Length: -1"),
        post("Content-Length: 0x10"),
        post("Content-Length: 1_0"),
        post("Content-Length: " + "9" * 30),
        post("Content-Length: 2", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
        post("Transfer-Encoding: chunked", "Content-Length: 2", body="0\r\n\r\n"),
        post("Transfer-Encoding: gzip, identity", body="{}"),
        post("Transfer-Encoding: chunked, gzip", body="{}"),
        post("Transfer-Encoding: chunked", JSON, body=f"{MARK}\r\n"),
        post(*(f"X-{number}: {MARK}" for number in range(100))),
    ],
    ids=lambda sent: repr(sent[:40]),
)
def test_what_is_not_http_gets_a_problem_document(site: RunningSite, sent: bytes) -> None:
    before = len(site.daemon.log)

    refused = asked(site, sent)

    assert (refused.status, refused.code) == (400, "request-invalid")
    assert_is_a_whole_problem(site, refused, before)


@pytest.mark.parametrize(
    "sent",
    [
        f"GET /{MARK}{'x' * 10_000} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
        post("X-Long: " + "x" * 10_000),
        post("X" * 10_000 + ": short"),
        post("X-Long: " + "x" * 1_000_000),
    ],
    ids=["request line", "value", "name", "1 MB"],
)
def test_a_head_that_is_too_large_gets_a_problem_document(site: RunningSite, sent: bytes) -> None:
    before = len(site.daemon.log)

    refused = asked(site, sent)

    assert (refused.status, refused.code) == (431, "head-too-large")
    assert "8190 bytes" in refused.detail
    assert_is_a_whole_problem(site, refused, before)


def test_an_expectation_that_is_not_met_gets_a_problem_document(site: RunningSite) -> None:
    refused = asked(site, post("Expect: a-miracle", "Content-Length: 0"))

    assert (refused.status, refused.code) == (400, "request-invalid")
    assert refused.detail == "expect 100-continue or nothing"


def test_garbage_after_an_answer_is_refused_on_the_same_connection(site: RunningSite) -> None:
    body = '{"length": 8}'
    with connected(site.site, TPS) as connection:
        connection.sendall(post(JSON, f"Content-Length: {len(body)}", body=body, path=CHALLENGES))
        served = read_response(connection)
        connection.sendall(b"\0\0\0\r\n\r\n")
        refused = read_response(connection)

    assert served.status == 200
    assert (refused.status, refused.code) == (400, "request-invalid")


def assert_is_a_whole_problem(site: RunningSite, refused: Answer, before: int) -> None:
    """Hold an answer to the form of all problems, and the log since then to a line about it."""
    kind = KINDS[Code(refused.code or "")]
    assert refused.document["title"] == kind.title
    assert refused.document["next"] == kind.next == "correct-request"
    assert refused.document["request_id"] == refused.request_id
    for word in (MARK, "aiohttp", "llhttp", "Traceback", "Error"):
        assert word not in str(refused.document)
    (line,) = [line for line in site.daemon.log[before:].splitlines() if refused.request_id in line]
    assert len(line) < 200
    assert MARK not in site.daemon.log
    assert "Traceback" not in site.daemon.log
