"""Stopping: what was begun is finished, and nobody is left behind."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.site.channels import RANDOM
from tests.site.daemon import PATIENCE, Watched
from tests.site.fixtures import Run
from tmsd.audit.verification import verify


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_is_obeyed_in_order_within_seconds(
    run: Run, number: signal.Signals
) -> None:
    site = run()
    with site.caller() as idle:
        assert idle.post(RANDOM, {"length": 1}).status == 200
        site.daemon.send(number)

        assert site.daemon.wait() == 0

    assert site.daemon.log.endswith("stopped\n")
    assert "Traceback" not in site.daemon.log
    assert "ERROR" not in site.daemon.log


def test_a_request_that_was_begun_is_answered_and_recorded_before_the_end(run: Run) -> None:
    site = run()
    assert site.daemon.worker is not None
    with (
        site.caller() as caller,
        Watched(site.daemon.worker) as worker,
        ThreadPoolExecutor(1) as thread,
    ):
        assert caller.post(RANDOM, {"length": 1}).status == 200
        worker.send(signal.SIGSTOP)
        answer = thread.submit(caller.post, RANDOM, {"length": 16})
        time.sleep(0.3)
        site.daemon.send(signal.SIGTERM)
        time.sleep(0.3)
        assert not answer.done()
        worker.send(signal.SIGCONT)

        assert answer.result(PATIENCE).status == 200
        assert site.daemon.wait() == 0
    assert verify(site.site.audit_file).clean


def test_the_worker_ends_with_the_front(run: Run) -> None:
    site = run()
    assert site.daemon.worker is not None
    with Watched(site.daemon.worker) as worker:
        assert site.daemon.stop() == 0
        assert worker.ends_within(0)


def test_the_worker_does_not_outlive_a_front_that_was_killed(run: Run) -> None:
    site = run()
    assert site.daemon.worker is not None
    with Watched(site.daemon.worker) as worker:
        site.daemon.send(signal.SIGKILL)
        site.daemon.wait()

        assert worker.ends_within()


def test_after_a_kill_the_daemon_starts_again_on_the_same_port_and_log(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).status == 200
    site.daemon.send(signal.SIGKILL)
    site.daemon.wait()

    with site.restarted() as again, again.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).status == 200
        assert again.daemon.stop() == 0
    assert verify(site.site.audit_file).clean
