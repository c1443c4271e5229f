"""A worker that somebody else starts, as a unit of systemd does: the daemon connects to it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import pytest

from tests.site.caller import Caller
from tests.site.channels import KEY_SETS, RANDOM
from tests.site.daemon import PATIENCE, Daemon, refuses_to_start, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, RunningSite
from tests.site.identities import TPS
from tests.site.operations_socket import ask, with_socket
from tests.softhsm.faulty_module import FaultyModule
from tests.systemd.handing_over import handing_over

# Folders of tests are closed to others, so the socket is opened (O_PATH) before the user changes.
_AS_NOBODY = """
import os, socket, sys
opened = os.open(sys.argv[1], os.O_PATH)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
asking = socket.socket(socket.AF_UNIX)
asking.connect(f"/proc/self/fd/{opened}")
print(asking.recv(1))
"""


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


@contextmanager
def worker_at(listener: socket.socket, site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker as systemd does when somebody connects."""
    program = [sys.executable, "-m", "tmsd.worker", "--config", str(site.configuration)]
    started = subprocess.Popen(
        [*handing_over(listener), *program],
        stdin=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def with_worker_socket(site: Site) -> Path:
    configured(site, 'sockets = ["w"]')
    return site.directory / "w"


def configured(site: Site, line: str) -> None:
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("[worker]\n", f"[worker]\n{line}\n"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


def test_the_daemon_asks_the_worker_behind_the_socket_and_starts_none(
    make_site: MakeSite, stack: ExitStack
) -> None:
    site = make_site()
    listener = stack.enter_context(listening(with_worker_socket(site)))
    operations = with_socket(site)
    worker = stack.enter_context(worker_at(listener, site))
    daemon = stack.enter_context(Daemon(site)).wait_until_ready()
    with Caller(site, TPS) as caller:
        assert caller.post(RANDOM, {"length": 16}).status == 200
    assert daemon.worker is None
    _, state = ask(operations, "/state")
    assert state["workers"]["separation"].startswith("separate: ")
    assert daemon.stop() == 0
    assert worker.wait(PATIENCE) == 0


def test_what_takes_long_is_asked_at_a_socket_of_its_own(
    make_site: MakeSite, stack: ExitStack
) -> None:
    site = make_site()
    paths = [with_worker_socket(site), site.directory / "s"]
    configured(site, 'slow_sockets = ["s"]')
    for path in paths:
        stack.enter_context(worker_at(stack.enter_context(listening(path)), site))
    running = RunningSite(site, stack.enter_context(Daemon(site)).wait_until_ready())
    running.daemon.wait_until_told("is logged in", times=2)
    with running.caller() as caller:
        fast = [caller.post(RANDOM, {"length": 1}).request_id for _ in range(10)]
        slow = [caller.get(KEY_SETS).request_id for _ in range(10)]

    def workers(requests: list[str]) -> set[str]:
        records = chain.from_iterable(map(running.trail.of_request, requests))
        return {receipt.worker for record in records for receipt in record.decision.receipts}

    (of_fast,), (of_slow,) = workers(fast), workers(slow)
    assert of_fast != of_slow
    assert running.daemon.stop() == 0


def test_a_worker_that_ended_is_reached_again_once_it_is_back(
    make_site: MakeSite, stack: ExitStack
) -> None:
    site = make_site()
    listener = stack.enter_context(listening(with_worker_socket(site)))
    first = stack.enter_context(worker_at(listener, site))
    daemon = stack.enter_context(Daemon(site)).wait_until_ready()
    first.send_signal(signal.SIGKILL)
    first.wait()
    stack.enter_context(worker_at(listener, site))
    daemon.wait_until_told("is logged in", times=2)
    with Caller(site, TPS) as caller:
        wait_until(lambda: caller.post(RANDOM, {"length": 16}).status == 200)
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    "function", ["C_GenerateRandom", "C_FindObjects", "C_Finalize", "C_Initialize"]
)
def test_a_worker_that_hangs_ends_by_itself_as_the_front_cannot_end_it(
    make_site: MakeSite, faulty_module_file: Path, stack: ExitStack, function: str
) -> None:
    site = make_site(worker_settings="call_seconds = 1.0")
    module = FaultyModule(faulty_module_file, site.token, site.directory / "orders")
    site.write_configuration(module.token)
    listener = stack.enter_context(listening(with_worker_socket(site)))
    worker = stack.enter_context(worker_at(listener, site))
    daemon = stack.enter_context(Daemon(site)).wait_until_ready()
    module.hang(function)
    if module.calls(function) <= 1:  # what only a login anew calls
        module.fail("C_Sign", "CKR_DEVICE_REMOVED", 1)
    with Caller(site, TPS) as caller:
        assert caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable"

    assert worker.wait(PATIENCE) == -signal.SIGALRM
    assert daemon.stop() == 0


def test_a_socket_that_nobody_listens_at_is_named(make_site: MakeSite) -> None:
    site = make_site()
    path = with_worker_socket(site)
    assert refuses_to_start(site) == f"worker socket {path}: No such file or directory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as another user")
def test_a_listener_of_another_user_is_not_asked(make_site: MakeSite, stack: ExitStack) -> None:
    site = make_site()
    path = with_worker_socket(site)
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    nobody = 65534
    # Whoever calls listen(2) is who the kernel tells of; the thread's own user counts.
    os.seteuid(nobody)
    try:
        listener.listen()
    finally:
        os.seteuid(0)
    assert refuses_to_start(site) == (
        f"worker socket {path}: user id {nobody} listens on it, neither root nor our own user"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can connect as another user")
def test_somebody_else_than_the_front_is_sent_away(make_site: MakeSite, stack: ExitStack) -> None:
    site = make_site()
    path = with_worker_socket(site)
    listener = stack.enter_context(listening(path))
    path.chmod(0o666)
    worker = stack.enter_context(worker_at(listener, site))
    told = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout == "b''\n"
    assert worker.wait(PATIENCE) == 0


def test_a_worker_that_is_started_without_a_socket_says_what_to_do(make_site: MakeSite) -> None:
    program = [sys.executable, "-m", "tmsd.worker", "--config", str(make_site().configuration)]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "systemd handed over 0 sockets, and one is needed" in ended.stderr
