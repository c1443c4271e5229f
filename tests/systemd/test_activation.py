"""Sockets that systemd made: callers are served on them, and a wrong one is refused by name."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.site.caller import Caller, tls_settings
from tests.site.channels import RANDOM
from tests.site.daemon import Daemon
from tests.site.directory import HOST, Site
from tests.site.fixtures import MakeSite
from tests.site.identities import TPS
from tests.systemd.handing_over import handing_over


def daemon_with(site: Site, handed_over: socket.socket) -> Daemon:
    """Start a daemon to which a socket is handed over."""
    return Daemon(site, through=handing_over(handed_over), inherited=[handed_over.fileno()])


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_callers_are_served_on_an_inherited_socket_and_not_at_the_configured_address(
    make_site: MakeSite, sockets: ExitStack
) -> None:
    site = make_site()
    listener = sockets.enter_context(socket.create_server((HOST, 0)))
    configured, site.port = site.port, listener.getsockname()[1]
    with daemon_with(site, listener) as daemon:
        daemon.wait_until_ready()
        assert f"ready: https://{HOST}:{site.port}\n" in daemon.log
        with Caller(site, TPS) as caller:
            assert caller.post(RANDOM, {"length": 16}).status == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, configured))
        assert daemon.stop() == 0


def test_who_connects_between_two_processes_waits_and_is_served(
    make_site: MakeSite, sockets: ExitStack
) -> None:
    site = make_site()
    listener = sockets.enter_context(socket.create_server((HOST, 0)))
    site.port = listener.getsockname()[1]
    with daemon_with(site, listener) as first:
        first.wait_until_ready()
        assert first.stop() == 0
    between = sockets.enter_context(socket.create_connection((HOST, site.port)))
    with daemon_with(site, listener) as second:
        second.wait_until_ready()
        with tls_settings(site, TPS).wrap_socket(between, server_hostname=HOST) as served:
            assert served.version() == "TLSv1.3"
        assert second.stop() == 0


def _not_listening(_directory: Path) -> socket.socket:
    bound = socket.socket()
    bound.bind((HOST, 0))
    return bound


def _datagrams(_directory: Path) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((HOST, 0))
    return bound


def _unix(directory: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(directory / "u"))
    listening.listen()
    return listening


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_not_listening, "see ListenStream= and Accept=no of its unit"),
        (_datagrams, "see ListenStream= and Accept=no of its unit"),
        (_unix, "it is of AF_UNIX"),
    ],
)
def test_a_socket_of_another_kind_is_refused_by_name(
    make: Callable[[Path], socket.socket],
    reason: str,
    make_site: MakeSite,
    sockets: ExitStack,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    wrong = sockets.enter_context(make(tmp_path_factory.mktemp("s")))
    with daemon_with(make_site(), wrong) as daemon:
        assert daemon.wait() == 1
        assert daemon.log.splitlines()[-1] == (
            f"tmsd cannot go on: descriptor 3 of systemd is no listening TCP socket: {reason}"
        )
