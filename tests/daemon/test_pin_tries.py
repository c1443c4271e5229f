"""A wrong PIN costs the token one try, however many workers and restarts there are.

Logins are counted where they arrive: by a module that stands before SoftHSM.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.site.daemon import Daemon, Watched, refuses_to_start, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite
from tests.softhsm.faulty_module import FaultyModule
from tests.softhsm.tokens import USER_PIN
from tmsd.cli.hsm import hsm

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


@pytest.mark.parametrize("pin", [b"wrong", USER_PIN], ids=["wrong", "right"])
def test_a_login_that_was_killed_is_not_repeated_with_a_pin_that_the_token_never_took(
    make_site: MakeSite, counting: Counting, pin: bytes
) -> None:
    site = make_site()
    module = counting(site)
    site.write_pin(pin)
    # The token has counted, and nobody has heard of it.
    module.hang("C_Login", 1, afterwards=True)
    with Daemon(site) as daemon:
        wait_until(lambda: module.met("C_Login") == 1)
        daemon.kill_worker()
    for _ in range(3):
        assert "a PIN may have been refused" in refuses_to_start(site)
    assert module.calls("C_Login") == 1

    unlatch(site)
    if pin == USER_PIN:
        with Daemon(site) as daemon:
            daemon.wait_until_ready()
    else:
        assert "refused the PIN" in refuses_to_start(site)
    assert module.calls("C_Login") == 2


def test_a_login_that_was_killed_is_repeated_with_the_pin_that_the_token_took_last(
    make_site: MakeSite, counting: Counting
) -> None:
    site = make_site()
    module = counting(site)
    with Daemon(site) as daemon:
        daemon.wait_until_ready()
        for logins in (2, 3):
            module.hang("C_Login", 1, afterwards=True)
            daemon.kill_worker()
            wait_until(lambda: module.met("C_Login") == logins - 1)  # noqa: B023  waited for here
            daemon.kill_worker()
            daemon.wait_until_told("is logged in", times=logins)


def unlatch(site: Site) -> None:
    CliRunner().invoke(hsm, ["unlatch", "--config", str(site.configuration), "--yes"])
