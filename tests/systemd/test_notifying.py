"""What the daemon says to systemd, and when (sd_notify(3))."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from tests.site.caller import Caller
from tests.site.channels import RANDOM
from tests.site.daemon import Daemon
from tests.site.fixtures import MakeSite
from tests.site.identities import TPS
from tests.systemd.listening_manager import ListeningManager, lines
from tmsd.systemd.notifying import ServiceManager


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListeningManager]:
    with ListeningManager(tmp_path_factory.mktemp("m")) as listening:
        yield listening


def environment(manager: ListeningManager, watchdog: str = "0") -> dict[str, str]:
    """Return what systemd sets for a service of Type=notify."""
    return {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": watchdog}


def test_ready_is_said_once_callers_are_served_and_not_before(
    make_site: MakeSite, manager: ListeningManager
) -> None:
    site = make_site()
    with Daemon(site, environment=environment(manager)) as daemon:
        started = lines(manager.hear_until("READY=1"))
        # No waiting: whoever was told so may come at once.
        with Caller(site, TPS) as caller:
            assert caller.post(RANDOM, {"length": 16}).status == 200
        assert daemon.stop() == 0
    assert started == [
        "STATUS=starting: the HSM",
        "READY=1",
        f"STATUS=serving callers at https://127.0.0.1:{site.port}",
    ]
    assert lines(manager.rest()) == ["STOPPING=1", "STATUS=stopping"]


def test_ready_is_never_said_where_the_token_refuses_the_pin(
    make_site: MakeSite, manager: ListeningManager
) -> None:
    site = make_site()
    site.write_pin(b"wrong pin")
    with Daemon(site, environment=environment(manager)) as daemon:
        assert daemon.wait() == 1
    assert lines(manager.rest()) == ["STATUS=starting: the HSM"]


def test_a_worker_that_is_gone_is_told_and_so_is_its_successor(
    make_site: MakeSite, manager: ListeningManager
) -> None:
    site = make_site()
    aside = site.pin_file.with_name("aside")
    with Daemon(site, environment=environment(manager)) as daemon:
        serving = lines(manager.hear_until("READY=1"))[-1]
        shutil.move(site.pin_file, aside)
        worker = daemon.worker
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        manager.hear_until("STATUS=no worker: the HSM cannot be asked")
        shutil.move(aside, site.pin_file)
        manager.hear_until(serving)
        assert daemon.stop() == 0


def test_words_of_life_come_from_the_start_to_the_end(
    make_site: MakeSite, manager: ListeningManager
) -> None:
    site = make_site()
    with Daemon(site, environment=environment(manager, watchdog="300000")) as daemon:
        before_ready = manager.hear_until("READY=1")
        assert "WATCHDOG=1" in before_ready
        for _ in range(3):
            manager.hear_until("WATCHDOG=1")
        assert daemon.stop() == 0


def test_a_loop_that_hangs_gives_no_word_of_life(
    manager: ListeningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(manager, watchdog="30000").items():
        monkeypatch.setenv(name, value)

    async def live_and_hang() -> None:
        living = asyncio.create_task(ServiceManager.of_this_process().keep_alive())
        await asyncio.to_thread(manager.hear_until, "WATCHDOG=1")
        await asyncio.to_thread(manager.hear_until, "WATCHDOG=1")
        manager.rest()
        with pytest.raises(TimeoutError):
            manager.hear_until("WATCHDOG=1", 0.2)  # in the loop itself, which hangs meanwhile
        living.cancel()

    asyncio.run(live_and_hang())


def test_a_watchdog_that_is_meant_for_another_process_is_left_to_it(
    manager: ListeningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(manager, watchdog="30000").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getppid()))
    assert ServiceManager.of_this_process().watchdog_seconds is None


def test_a_reload_is_told_with_its_time(
    manager: ListeningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    before = time.monotonic_ns() // 1000
    ServiceManager.of_this_process().reloading()
    reloading, monotonic, status = manager.rest()[0].splitlines()
    assert (reloading, status) == ("RELOADING=1", "STATUS=reloading")
    assert before <= int(monotonic.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_manager_that_went_away_does_no_harm(
    manager: ListeningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    service_manager = ServiceManager.of_this_process()
    manager.path.unlink()
    service_manager.ready("serving callers")


def test_without_a_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager.of_this_process().ready("serving callers")
