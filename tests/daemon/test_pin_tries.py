"""A wrong PIN costs the token one try, however many workers and restarts there are.

Logins are counted where they arrive: by a module that stands before SoftHSM.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.site.daemon import Daemon, Watched, refuses_to_start
from tests.site.directory import Site
from tests.site.fixtures import MakeSite
from tests.softhsm.faulty_module import FaultyModule

WORKERS = 4
RESTARTS = 10
SOON = 30.0


@pytest.fixture
def counting(faulty_module_file: Path) -> Callable[[Site], FaultyModule]:
    """Let a site use the module that counts logins; the token says nothing of wrong PINs.

    SoftHSM's own flag would keep a second login away, whatever became of the latch file.
    """

    def counted(site: Site) -> FaultyModule:
        module = FaultyModule(faulty_module_file, site.token, site.directory / "orders")
        module.conceal_pin_flags()
        site.write_configuration(module.token)
        return module

    return counted


Counting = Callable[[Site], FaultyModule]


def test_of_four_workers_and_ten_restarts_one_tries_a_wrong_pin(
    make_site: MakeSite, counting: Counting
) -> None:
    site = make_site(workers=WORKERS)
    module = counting(site)
    site.write_pin(b"wrong")

    for _ in range(RESTARTS):
        assert "PIN" in refuses_to_start(site)

    assert (module.calls("C_Login"), module.errors("C_Login")) == (1, 1)


def test_so_does_one_of_four_that_are_killed_when_the_pin_is_wrong_by_then(
    make_site: MakeSite, counting: Counting
) -> None:
    site = make_site(workers=WORKERS)
    module = counting(site)
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

    assert (module.calls("C_Login"), module.errors("C_Login")) == (WORKERS + 1, 1)
