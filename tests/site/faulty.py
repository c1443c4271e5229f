"""A running site whose HSM fails, dawdles or hangs as a test orders, and a desk that notices."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.site.batches import AES128
from tests.site.card_desk import CardDesk
from tests.site.changeovers import ROTATING
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import Site
from tests.site.fixtures import RunningSite
from tests.softhsm.faulty_module import FaultyModule
from tests.softhsm.tokens import SoftHsm

LOSING = "C_Sign"
"""Whose errors are a loss: SoftHSM's session cannot begin anew after one."""

RECOVERY_SECONDS = 5.0
"""Within which the site serves again when what was wrong is over."""

CARDS = replace(ROTATING, settings='change_to = ["rotating:2"]')
NEW_VERSION = 2


@dataclass(frozen=True, slots=True)
class FaultySite:
    """The site, its module, and a desk that waits for `RECOVERY_SECONDS` at most.

    Attributes:
        running: the site.
        module: takes the orders.
        desk: a caller with cards.
    """

    running: RunningSite
    module: FaultyModule
    desk: CardDesk

    def recover(self) -> None:
        """Make the module behave; a card has to be served in time."""
        self.module.behave()
        self.desk.serve_a_card()

    def wait_until_refused(self) -> None:
        """Ask until something is refused, and not once more."""
        with self.running.caller() as caller:
            impatient = CardDesk(caller, CARDS, NEW_VERSION, patience=0)

            def is_refused() -> bool:
                try:
                    impatient.serve_a_card()
                except TimeoutError:
                    return True
                return False

            wait_until(is_refused)


@contextmanager
def faulty_site(
    directory: Path,
    softhsm: SoftHsm,
    module_file: Path,
    *,
    deadline_seconds: float | None = 2.0,
    workers: int | None = 1,
    slow_workers: int | None = 0,
    worker_settings: str = "",
) -> Iterator[FaultySite]:
    """Run a site before whose token the faulty module stands; nothing of tmsd's own may crash.

    Args:
        directory: empty; for the site.
        softhsm: where the token is made.
        module_file: the compiled module.
        deadline_seconds: how long one request to the HSM may take; None as the daemon has it.
        workers: how many there are for fast requests; None as the daemon has it.
        slow_workers: how many more there are for slow ones; None as the daemon has it.
        worker_settings: further lines of the table [worker].
    """
    with ExitStack() as stack:
        made = Site(
            directory,
            softhsm,
            batches=[CARDS, AES128],
            deadline_seconds=deadline_seconds,
            workers=workers,
            slow_workers=slow_workers,
            worker_settings=worker_settings,
        )
        stack.callback(made.close)
        module = FaultyModule(module_file, made.token, directory / "orders")
        made.write_configuration(module.token)
        daemon = stack.enter_context(Daemon(made)).wait_until_ready()
        running = RunningSite(made, daemon)
        caller = stack.enter_context(running.caller())
        desk = CardDesk(caller, CARDS, NEW_VERSION, RECOVERY_SECONDS)
        yield FaultySite(running, module, desk)
        assert daemon.stop() == 0
        # Other tracebacks are python-pkcs11's, which prints what it meets when a search fails.
        for of_a_crash in ("in <module>", "never retrieved"):
            assert of_a_crash not in daemon.log
