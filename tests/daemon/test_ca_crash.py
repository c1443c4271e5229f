"""Ends of front and worker in the middle of an issuance: one certificate for each wish, on record.

A daemon that is killed is started again over the same site, and what was asked is asked again.
"""

import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from uuid import uuid4

import pytest

from tests.site.certificates import issue, wanted
from tests.site.contract import Answer
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import Site
from tests.site.failing_disk import FailingDisk
from tests.site.fixtures import MakeSite, Run, RunningSite
from tests.softhsm.faulty_module import FaultyModule
from tmsd.audit.verification import Reason, verify

LONG = 60.0
DELAY = 0.2


class Wish:
    """A certificate that somebody wants."""

    def __init__(self) -> None:
        self.body = wanted()
        self.key = uuid4().hex

    def ask(self, site: RunningSite) -> Answer | None:
        """Ask once; None where the connection broke."""
        try:
            with site.caller() as caller:
                return issue(caller, self.body, self.key)
        except (OSError, HTTPException):
            return None


class CaSite:
    """A site with a CA, whose daemon is killed and started again."""

    def __init__(self, site: Site, stack: ExitStack) -> None:
        self.site = site
        self._stack = stack
        self.running = self.start()

    def start(self) -> RunningSite:
        """Start a daemon, and let what comes by itself have come, as that is signed as well."""
        daemon = self._stack.enter_context(Daemon(self.site))
        self.running = RunningSite(self.site, daemon.wait_until_ready())
        assert self.running.contract
        wait_until(lambda: bool(self.rows("SELECT 1 FROM crls WHERE der IS NOT NULL")))
        return self.running

    def kill(self) -> None:
        """Kill the front; its workers end when they notice."""
        self.running.daemon.send(signal.SIGKILL)
        self.running.daemon.wait()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the database, as somebody else."""
        with closing(sqlite3.connect(self.site.directory / "store.db")) as connection:
            return connection.execute(query).fetchall()

    def state(self, wish: Wish) -> tuple[object, object] | None:
        """Return how far a wish has come and its serial number; there is one at most."""
        query = "SELECT state, lower(hex(serial)) FROM certificates WHERE idempotency_key = "
        found = self.rows(f"{query}'{wish.key}'")
        assert len(found) <= 1
        return (found[0][0], found[0][1]) if found else None

    def is_prepared(self, wish: Wish) -> bool:
        """Say whether a wish is on record, and not signed yet as far as that tells."""
        state = self.state(wish)
        return state is not None and state[0] == "prepared"

    def require_fulfilled(self, wish: Wish) -> Answer:
        """Ask again: the certificate is there, and is that of the record."""
        before = self.state(wish)
        answer = wish.ask(self.running)
        assert answer is not None
        assert answer.status == 200, answer.document
        told = answer.document["serial_number"]
        assert self.state(wish) == ("issued", told)
        assert before is None or before[1] == told
        return answer


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def slow(
    make_site: MakeSite, faulty_module_file: Path, stack: ExitStack
) -> tuple[CaSite, FaultyModule]:
    """A site whose HSM takes its time over each MAC and each signature, when it is told to."""
    site = make_site(ca=True, deadline_seconds=LONG)
    module = FaultyModule(faulty_module_file, site.token, site.directory / "orders")
    site.write_configuration(module.token)
    return CaSite(site, stack), module


@contextmanager
def asked(wish: Wish, site: RunningSite) -> Iterator[None]:
    """Ask, and wait for what comes of it when the block is left."""
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(wish.ask, site)
        yield
        asking.result()


@pytest.mark.parametrize("signatures", range(6))
def test_a_front_that_is_killed_at_any_point_goes_on_with_the_same_serial_number(
    slow: tuple[CaSite, FaultyModule], signatures: int
) -> None:
    """The MACs of a prepared certificate and of receipts are made by C_Sign, as signatures are."""
    site, module = slow
    wish = Wish()
    module.delay("C_Sign", DELAY)
    begun = module.calls("C_Sign")
    with asked(wish, site.running):
        wait_until(lambda: module.calls("C_Sign") > begun + signatures)
        site.kill()
    module.behave()
    site.start()

    site.require_fulfilled(wish)
    assert site.running.daemon.stop() == 0
    assert verify(site.site.audit_file).clean


def test_what_was_signed_and_is_not_on_record_has_not_left_and_is_signed_again(
    slow: tuple[CaSite, FaultyModule],
) -> None:
    site, module = slow
    wish = Wish()
    module.delay("C_Sign", DELAY)
    database = site.site.directory / "store.db"
    with asked(wish, site.running), closing(sqlite3.connect(database)) as other:
        wait_until(lambda: site.is_prepared(wish))
        other.execute("BEGIN IMMEDIATE")  # nobody else puts anything on record
        signed = module.calls("C_Sign") + 4
        wait_until(lambda: module.calls("C_Sign") > signed)
        site.kill()
        other.rollback()
    assert site.is_prepared(wish)
    module.behave()
    site.start()

    first = site.require_fulfilled(wish)
    assert site.require_fulfilled(wish).content == first.content


def test_a_worker_that_is_killed_before_it_signs_costs_nothing_but_the_retry(
    slow: tuple[CaSite, FaultyModule],
) -> None:
    site, module = slow
    wish = Wish()
    module.delay("C_Sign", DELAY)
    with asked(wish, site.running):
        wait_until(lambda: site.is_prepared(wish))
        site.running.daemon.kill_worker()
    module.behave()
    logins = site.running.daemon.log.count("is logged in")
    assert logins >= 1
    site.running.daemon.wait_until_told("is logged in", 2)

    site.require_fulfilled(wish)


@pytest.mark.parametrize("pauses", [(0.1, 0.3), (0.15, 0.5), (0.4, 0.2)], ids=str)
def test_of_wishes_under_load_each_has_one_certificate_whenever_the_front_is_killed(
    make_site: MakeSite, stack: ExitStack, pauses: tuple[float, ...]
) -> None:
    site = CaSite(make_site(ca=True, deadline_seconds=LONG), stack)
    wishes = [Wish() for _ in range(24)]
    answered: dict[str, bytes] = {}
    for pause in pauses:
        running = site.running
        with ThreadPoolExecutor(4) as threads:
            asking = {wish.key: threads.submit(wish.ask, running) for wish in wishes}
            time.sleep(pause)
            site.kill()
            answers = {key: each.result() for key, each in asking.items()}
        for key, answer in answers.items():
            if answer is not None and answer.status == 200:
                assert answered.setdefault(key, answer.content) == answer.content
        site.start()

    for wish in wishes:
        answer = site.require_fulfilled(wish)
        assert answered.setdefault(wish.key, answer.content) == answer.content
    issued = Counter(site.rows("SELECT idempotency_key FROM certificates"))
    assert issued == Counter([(wish.key,) for wish in wishes])
    assert site.running.daemon.stop() == 0
    # What a worker had answered and a killed front had not written is missing, and told.
    report = verify(site.site.audit_file)
    assert {fault.reason for fault in report.faults} <= {Reason.RECEIPTS_MISSING}


def test_a_full_disk_under_the_store_refuses_and_the_wish_comes_true_when_there_is_room(
    run: Run, failing_disk: FailingDisk
) -> None:
    site = run(ca=True, store=f'file = "{failing_disk.path}/store.db"')
    wishes = [Wish() for _ in range(40)]
    with failing_disk.full():
        answers = [wish.ask(site) for wish in wishes]
    codes = {None if answer is None else answer.code for answer in answers}
    assert "store-unavailable" in codes
    assert codes <= {None, "store-unavailable"}

    fulfilled = [wish.ask(site) for wish in wishes]
    for before, after in zip(answers, fulfilled, strict=True):
        assert before is not None
        assert after is not None
        assert after.status == 200
        assert before.status != 200 or before.content == after.content
    assert site.daemon.stop() == 0


def test_a_full_disk_under_the_audit_log_lets_no_certificate_out(
    run: Run, failing_disk: FailingDisk
) -> None:
    site = run(ca=True, audit_directory=str(failing_disk.path))
    wishes = [Wish() for _ in range(20)]
    with failing_disk.full():
        answers = [wish.ask(site) for wish in wishes]
    refused = [answer for answer in answers if answer is not None and answer.status != 200]
    assert {answer.code for answer in refused} == {"audit-unavailable"}
    assert all("certificate" not in answer.document for answer in refused)

    for wish in wishes:
        answer = wish.ask(site)
        assert answer is not None
        assert answer.status == 200
    assert site.daemon.stop() == 0
    assert verify(site.site.audit_file).clean
