"""A wrong PIN costs the token one try, however many processes and restarts there are."""

import socket
import subprocess
import sys

from tests.counting.fixtures import CountedLogins
from tests.site.caller import Caller
from tests.site.channels import RANDOM
from tests.site.daemon import Daemon, refuses_to_start, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, RunningSite
from tests.softhsm.tokens import USER_PIN
from tmsd.vault.framing import FrameReader
from tmsd.vault.messages import Reply, StartFailed

SOON = 20.0
WORKERS = 4
RESTARTS = 10


def reasons_of_workers(site: Site) -> list[str]:
    """Start workers at one moment, without a front; return why they do not start."""
    ends, processes = [], []
    for _ in range(WORKERS):
        here, there = socket.socketpair()
        program = [sys.executable, "-m", "tmsd.worker", "--config", str(site.configuration)]
        processes.append(
            subprocess.Popen(
                [*program, "--descriptor", str(there.fileno())], pass_fds=[there.fileno()]
            )
        )
        there.close()
        ends.append(here)
    reasons = []
    for here, process in zip(ends, processes, strict=True):
        with here:
            (reply,) = FrameReader(Reply).feed(here.recv(65536))
        assert process.wait(SOON) == 1
        assert isinstance(reply.answer, StartFailed)
        reasons.append(reply.answer.reason)
    return reasons


def test_four_workers_and_ten_restarts_make_one_login(
    make_site: MakeSite, logins: CountedLogins
) -> None:
    site = make_site(workers=WORKERS)
    site.write_configuration(logins.through(site.token))
    site.write_pin(b"not the PIN")

    at_one_moment = reasons_of_workers(site)
    restarts = [refuses_to_start(site) for _ in range(RESTARTS)]

    assert len(logins) == 1
    told = [reason for reason in (*at_one_moment, *restarts) if "tmsctl hsm unlatch" in reason]
    assert len(told) == WORKERS - 1 + RESTARTS


def test_with_the_right_pin_again_each_worker_logs_in_once(
    make_site: MakeSite, logins: CountedLogins
) -> None:
    site = make_site(workers=WORKERS)
    site.write_configuration(logins.through(site.token))
    site.write_pin(b"not the PIN")
    refuses_to_start(site)
    site.write_pin(USER_PIN)

    with Daemon(site) as daemon:
        running = RunningSite(site, daemon.wait_until_ready())
        wait_until(lambda: daemon.log.count("is logged in") == WORKERS, SOON)
        with Caller(site, "tps-demo") as caller:
            assert caller.post(RANDOM, {"length": 1}).status == 200
        assert running.daemon.stop() == 0
    assert len(logins) == 1 + WORKERS
