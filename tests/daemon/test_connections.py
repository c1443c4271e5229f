"""Connections: how long is waited for callers, how many there may be, and which of them yields."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from ssl import MemoryBIO, SSLError, SSLWantReadError
from threading import Event, Semaphore

import pytest

from tests.site.caller import Caller, connected, read_answer, tls_settings
from tests.site.channels import RANDOM
from tests.site.daemon import PATIENCE, wait_until
from tests.site.directory import HOST
from tests.site.fixtures import Run, RunningSite
from tests.site.identities import AUDITOR, BRANCH, DESK, OFFLINE, STRANGER, TPS
from tests.site.idle_connections import descriptors, sockets
from tmsd.api.server import OPENAPI_PATH

ONE = {"length": 1}
HEAD = f"GET {OPENAPI_PATH} HTTP/1.1\r\nHost: {HOST}\r\n"


def half_open(site: RunningSite) -> socket.socket:
    """Connect by TCP, and do nothing more."""
    return socket.create_connection((HOST, site.site.port), PATIENCE)


def ask_once(site: RunningSite) -> None:
    """Connect, ask, and close."""
    with Caller(site.site, TPS) as caller:
        assert caller.post(RANDOM, ONE).status == 200


def say_hello(site: RunningSite) -> None:
    """Begin a handshake that takes the daemon a signature, and go away in the middle."""
    hello = MemoryBIO()
    tls = tls_settings(site.site, TPS).wrap_bio(MemoryBIO(), hello, server_hostname=HOST)
    with suppress(SSLWantReadError):
        tls.do_handshake()
    with half_open(site) as connection:
        connection.sendall(hello.read())
        assert connection.recv(1) == b"\x16"


def show_a_foreign_certificate(site: RunningSite) -> None:
    """Connect as somebody whose certificate is of another CA."""
    with pytest.raises((SSLError, ConnectionError)), Caller(site.site, STRANGER) as stranger:
        stranger.post(RANDOM, ONE)


@contextmanager
def without_end(connect: Callable[[RunningSite], None], site: RunningSite) -> Iterator[None]:
    """Have peers connect again and again until left."""
    begun, over = Semaphore(0), Event()

    def keep_connecting() -> None:
        while not over.is_set():
            connect(site)
            begun.release()

    with ThreadPoolExecutor(4) as threads:
        peers = [threads.submit(keep_connecting) for _ in range(4)]
        try:
            assert all(begun.acquire(timeout=PATIENCE) for _ in range(8))
            yield
        finally:
            over.set()
    for peer in peers:
        peer.result()


def is_closed(connection: socket.socket) -> bool:
    """Wait for the other side to close; say whether it did."""
    try:
        return connection.recv(1) == b""
    except (SSLError, ConnectionError):
        return True


def answer_to_drops(connection: socket.socket, drop: bytes) -> bytes:
    """Send a little again and again until the other side answers; return all that it says."""
    answer: bytes | None = None
    connection.settimeout(0.05)
    try:
        while answer is None:
            connection.sendall(drop)
            with suppress(TimeoutError):
                answer = connection.recv(65536)
        connection.settimeout(PATIENCE)
        while chunk := connection.recv(65536):
            answer += chunk
    except (SSLError, ConnectionError):
        pass  # as it has closed while we were sending
    return answer or b""


@pytest.fixture
def hurried(run: Run) -> Iterator[RunningSite]:
    """A site that waits for nobody for long."""
    site = run(limits="handshake_seconds = 0.5\nhead_seconds = 0.5\nidle_seconds = 1.5")
    yield site
    assert site.daemon.stop() == 0
    assert "Traceback" not in site.daemon.log


def test_who_connects_and_does_nothing_more_is_given_up(hurried: RunningSite) -> None:
    with half_open(hurried) as connection:
        assert is_closed(connection)

    hurried.daemon.wait_until_told("its handshake was not over within 0.5 s")


def test_a_handshake_in_drops_is_given_up(hurried: RunningSite) -> None:
    with half_open(hurried) as connection:
        connection.sendall(b"\x16\x03\x01\x40\x00")  # a record of 16 KiB begins

        assert answer_to_drops(connection, b"\x01") == b""


def test_a_head_in_drops_is_given_up_and_that_is_said(hurried: RunningSite) -> None:
    with connected(hurried.site, TPS) as connection:
        connection.sendall(HEAD.encode())
        answer = answer_to_drops(connection, b"X: y\r\n")

    head, _, content = answer.partition(b"\r\n\r\n")
    problem = json.loads(content)
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert f"X-Request-Id: {problem['request_id']}".encode() in head
    assert problem["type"] == "urn:tmsd:problem:request-timeout"
    assert problem["detail"] == "the head of the request did not arrive within 0.5 seconds"


def test_a_request_may_follow_another_after_longer_than_a_head_may_take(
    hurried: RunningSite,
) -> None:
    with connected(hurried.site, TPS) as connection:
        for _ in range(3):
            connection.sendall(f"{HEAD}\r\n".encode())
            response = HTTPResponse(connection)
            response.begin()
            assert read_answer(response).status == 200
            connection.settimeout(0.8)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(PATIENCE)


def test_a_connection_that_is_idle_for_long_is_closed(hurried: RunningSite) -> None:
    with connected(hurried.site, TPS) as never_used, connected(hurried.site, TPS) as used:
        used.sendall(f"{HEAD}\r\n".encode())
        response = HTTPResponse(used)
        response.begin()
        read_answer(response)

        assert is_closed(never_used)
        assert is_closed(used)


def test_who_reads_no_answers_is_given_up(run: Run) -> None:
    site = run(limits="request_timeout_seconds = 1.0")
    before = descriptors(site.daemon)
    asked = 0
    with connected(site.site, TPS) as connection:
        connection.settimeout(0.2)
        try:
            while True:
                connection.sendall(f"{HEAD}\r\n".encode())
                asked += 1
        except OSError:
            pass  # it has stopped reading, as nobody reads what it writes
        assert asked > 10
        wait_until(lambda: descriptors(site.daemon) == before)
    assert site.daemon.stop() == 0
    assert "Traceback" not in site.daemon.log


def test_strangers_take_no_places_of_callers(run: Run) -> None:
    site = run(limits="connections = 8")
    with Caller(site.site, TPS) as early, ExitStack() as strangers:
        assert early.post(RANDOM, ONE).status == 200
        crowd = [strangers.enter_context(half_open(site)) for _ in range(40)]
        with Caller(site.site, BRANCH) as late:
            assert late.post(RANDOM, ONE).status == 200
            assert early.post(RANDOM, ONE).status == 200
        assert is_closed(crowd[0])
    assert "too many connections, and its handshake was the oldest" in site.daemon.log
    assert site.daemon.stop() == 0


@pytest.mark.parametrize("connect", [ask_once, say_hello, show_a_foreign_certificate])
def test_who_connects_without_end_keeps_no_caller_out_and_no_place(
    site: RunningSite, connect: Callable[[RunningSite], None]
) -> None:
    before = sockets(site.daemon)
    with without_end(connect, site), site.caller(DESK) as early:
        for _ in range(5):
            with site.caller(BRANCH) as late:
                assert late.post(RANDOM, ONE).status == 200
                assert early.post(RANDOM, ONE).status == 200

    wait_until(lambda: sockets(site.daemon) <= before)


def test_a_caller_with_too_many_connections_loses_its_longest_idle_and_nobody_else_does(
    run: Run,
) -> None:
    site = run(limits="connections_per_caller = 2")
    with ExitStack() as opened:
        branch = opened.enter_context(connected(site.site, BRANCH))
        first, second, third = (opened.enter_context(connected(site.site, TPS)) for _ in range(3))

        assert is_closed(first)
        for connection in (branch, second, third):
            connection.sendall(f"{HEAD}\r\n".encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
    assert "has too many connections, and it was idle for longest" in site.daemon.log
    assert site.daemon.stop() == 0


def test_where_all_places_are_taken_the_longest_idle_yields(run: Run) -> None:
    site = run(limits="connections = 3")
    callers = [Caller(site.site, name) for name in (TPS, BRANCH, DESK)]
    with ExitStack() as opened:
        tps, branch, desk = (opened.enter_context(caller) for caller in callers)
        for caller in (tps, branch, desk, tps):
            assert caller.post(RANDOM, ONE).status == 200
        with Caller(site.site, OFFLINE) as another:
            assert another.post(RANDOM, ONE).status == 200

        assert tps.post(RANDOM, ONE).status == desk.post(RANDOM, ONE).status == 200
        with pytest.raises((SSLError, ConnectionError)):
            branch.post(RANDOM, ONE)
    assert site.daemon.stop() == 0


def test_where_all_are_at_work_who_comes_is_turned_away_and_nobody_is_interrupted(
    run: Run,
) -> None:
    site = run(limits="connections = 2")
    head = f"POST {RANDOM} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    head += "Content-Length: 13\r\nExpect: 100-continue\r\n\r\n"
    with connected(site.site, TPS) as tps, connected(site.site, BRANCH) as branch:
        for connection in (tps, branch):
            connection.sendall(head.encode())
            assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        with half_open(site) as late:
            assert is_closed(late)
        for connection in (tps, branch):
            connection.sendall(b'{"length": 1}')
            assert connection.recv(12) == b"HTTP/1.1 200"
    assert "turned away: all connections are at work" in site.daemon.log
    assert site.daemon.stop() == 0


def test_more_connections_than_descriptors_are_cut_down_and_that_is_told(run: Run) -> None:
    site = run(limits="connections = 65_536")

    assert "limits.connections = 65536 would take 65792 descriptors" in site.daemon.log
    with Caller(site.site, AUDITOR) as auditor:
        assert auditor.get(OPENAPI_PATH).status == 200
    assert site.daemon.stop() == 0
