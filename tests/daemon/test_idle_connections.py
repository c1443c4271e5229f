"""Callers that connect and ask for nothing, more of them than a process usually has descriptors."""

from tests.site.channels import RANDOM
from tests.site.daemon import wait_until
from tests.site.fixtures import Run
from tests.site.identities import BRANCH, DESK, TPS
from tests.site.idle_connections import descriptors, idle_connections, resident_bytes

MANY = 2000
MOST_BYTES = 100 * 1024  # of each; 53 KiB were measured, and 290 KiB with asyncio's usual buffer


def test_2000_idle_connections_take_bounded_memory_and_keep_nobody_waiting(run: Run) -> None:
    site = run(limits="connections_per_caller = 1000\nidle_seconds = 600")
    with site.caller(BRANCH) as branch:
        assert branch.post(RANDOM, {"length": 1}).status == 200
        descriptors_before = descriptors(site.daemon)
        bytes_before = resident_bytes(site.daemon.pid)

        with idle_connections(site.daemon, MANY, (TPS, DESK)):
            grown = resident_bytes(site.daemon.pid) - bytes_before
            assert grown < MANY * MOST_BYTES
            assert branch.post(RANDOM, {"length": 1}).status == 200
            with site.caller(BRANCH) as another:
                assert another.post(RANDOM, {"length": 1}).status == 200

        wait_until(lambda: descriptors(site.daemon) <= descriptors_before)
        assert branch.post(RANDOM, {"length": 1}).status == 200
    assert site.daemon.stop() == 0
    assert "turned away" not in site.daemon.log
    assert "Traceback" not in site.daemon.log


def test_idle_connections_are_gone_after_the_idle_time(run: Run) -> None:
    site = run(limits="idle_seconds = 1")
    before = descriptors(site.daemon)

    with idle_connections(site.daemon, 100):
        wait_until(lambda: descriptors(site.daemon) == before)
    assert site.daemon.stop() == 0
