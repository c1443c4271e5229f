"""The door for TPSs of Dogtag: open where there is one, counted with the other, shut otherwise."""

import signal
import socket

from tests.dogtag.cards import RANDOM
from tests.site.caller import Caller, connected
from tests.site.channels import RANDOM as NATIVE_RANDOM
from tests.site.daemon import PATIENCE, Daemon
from tests.site.directory import HOST
from tests.site.dogtag_site import NATIVE, OPEN, OTHER, DogtagSite, Tps, dogtag_site
from tests.site.fixtures import MakeSite

ONE_TPS = {OPEN: ""}


def is_listening(dogtag: DogtagSite) -> bool:
    try:
        socket.create_connection((HOST, dogtag.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def reload(daemon: Daemon, dogtag: DogtagSite, version: int, tps: dict[str, str]) -> None:
    dogtag.write_policy(tps, version)
    daemon.send(signal.SIGHUP)
    daemon.wait_until_told(f"policy version {version} and certificates are taken")


def test_it_opens_with_the_first_tps_of_the_policy_and_shuts_with_the_last(
    make_site: MakeSite,
) -> None:
    with dogtag_site(make_site(batches=()), {}) as dogtag, Daemon(dogtag.site) as daemon:
        daemon.wait_until_ready()
        assert f"ready: https://{HOST}:{dogtag.site.port}\n" in daemon.log
        assert not is_listening(dogtag)

        reload(daemon, dogtag, 2, ONE_TPS)
        with Tps(dogtag, OPEN) as tps:
            assert tps.ask(RANDOM, "dataNumBytes=8").fields["status"] == b"0"

            reload(daemon, dogtag, 3, {})
            assert not is_listening(dogtag)
            assert tps.ask(RANDOM, "dataNumBytes=8").body == b"unauthorized="

        reload(daemon, dogtag, 4, {OTHER: ""})
        with Tps(dogtag, OTHER) as other, Tps(dogtag, OPEN) as tps:
            assert other.ask(RANDOM, "dataNumBytes=8").fields["status"] == b"0"
            assert tps.ask(RANDOM, "dataNumBytes=8").body == b"unauthorized="

        dogtag.site.policy.write_text("nonsense")
        daemon.send(signal.SIGHUP)
        daemon.wait_until_told("the new configuration is not taken")
        assert is_listening(dogtag)
        assert daemon.stop() == 0
        assert not is_listening(dogtag)


def test_nobody_listens_without_a_table_for_it(make_site: MakeSite) -> None:
    site = make_site(batches=())
    with dogtag_site(site, ONE_TPS, has_table=False) as dogtag, Daemon(site) as daemon:
        daemon.wait_until_ready()
        assert not is_listening(dogtag)
        with Caller(site, OPEN) as tps:
            assert tps.post(NATIVE_RANDOM, {"length": 8}).code == "role-missing"


def test_its_connections_count_with_those_of_the_api(make_site: MakeSite) -> None:
    site = make_site(batches=(), limits="connections = 2")
    with dogtag_site(site, {OPEN: "", OTHER: ""}) as dogtag, Daemon(site) as daemon:
        daemon.wait_until_ready()
        with connected(site, NATIVE) as idle, Tps(dogtag, OPEN) as tps, Tps(dogtag, OTHER) as other:
            assert tps.ask(RANDOM, "dataNumBytes=1").fields["status"] == b"0"
            assert other.ask(RANDOM, "dataNumBytes=1").fields["status"] == b"0"
            assert idle.recv(1) == b""  # it was idle for longest
            daemon.wait_until_told("there are too many connections, and it was idle for longest")


def test_it_says_where_it_listens(make_site: MakeSite) -> None:
    with dogtag_site(make_site(batches=()), ONE_TPS) as dogtag, Daemon(dogtag.site) as daemon:
        daemon.wait_until_ready()
        both = f"https://{HOST}:{dogtag.site.port}, https://{HOST}:{dogtag.port}"
        assert f"ready: {both}\n" in daemon.log


def test_a_port_that_is_taken_is_told_at_the_start(make_site: MakeSite) -> None:
    with dogtag_site(make_site(batches=()), ONE_TPS) as dogtag, socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, dogtag.port))
        taken.listen()
        with Daemon(dogtag.site) as daemon:
            assert daemon.wait(PATIENCE) == 1
            assert "Address already in use" in daemon.log
