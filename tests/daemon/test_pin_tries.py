"""A wrong PIN costs the token one try, however many workers and restarts there are.

Logins are counted where they arrive: by a module that is built here and stands before SoftHSM.
"""

import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.site.daemon import Daemon, Watched, refuses_to_start
from tests.site.directory import Site
from tests.site.fixtures import MakeSite

WORKERS = 4
RESTARTS = 10
PIN_INCORRECT = "a0"


@pytest.fixture(scope="module")
def counting_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("module") / "counting_logins.so"
    source = Path(__file__).with_name("counting_logins.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return built


@pytest.fixture
def logins_of(counting_module: Path) -> Callable[[Site], Callable[[], list[str]]]:
    """Let a site use the counting module; what it returns tells all results of C_Login."""

    def counted(site: Site) -> Callable[[], list[str]]:
        file = site.directory / "logins"
        counting = {"TMSD_TEST_LOGINS": str(file), "TMSD_TEST_MODULE": str(site.token.module)}
        site.write_configuration(
            replace(
                site.token,
                module=counting_module,
                environment={**site.token.environment, **counting},
            )
        )
        return lambda: (
            [line.split()[1] for line in file.read_text().splitlines()] if file.exists() else []
        )

    return counted


LoginsOf = Callable[[Site], Callable[[], list[str]]]


def test_of_four_workers_and_ten_restarts_one_tries_a_wrong_pin(
    make_site: MakeSite, logins_of: LoginsOf
) -> None:
    site = make_site(workers=WORKERS)
    logins = logins_of(site)
    site.write_pin(b"wrong")

    for _ in range(RESTARTS):
        assert "PIN" in refuses_to_start(site)

    assert logins() == [PIN_INCORRECT]


def test_so_does_one_of_four_that_are_killed_when_the_pin_is_wrong_by_then(
    make_site: MakeSite, logins_of: LoginsOf
) -> None:
    site = make_site(workers=WORKERS)
    logins = logins_of(site)
    with Daemon(site) as daemon:
        daemon.wait_until_ready()
        daemon.wait_until_told("is logged in", times=WORKERS)
        site.write_pin(b"wrong")
        with ExitStack() as watching:
            for pid in daemon.workers:
                worker = watching.enter_context(Watched(pid))
                worker.send(signal.SIGKILL)
                assert worker.ends_within()
        # Each place has met the latch.
        daemon.wait_until_told("a PIN was refused: ", times=WORKERS)
        assert daemon.stop() == 0
    for _ in range(RESTARTS):
        refuses_to_start(site)

    assert logins() == ["0"] * WORKERS + [PIN_INCORRECT]
