"""PKCS#11 functions that dawdle or never return: another worker goes on, or answers at once."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.site.channels import RANDOM
from tests.site.daemon import PATIENCE, Watched, wait_until
from tests.site.faulty import LOSING, FaultySite, faulty_site
from tests.site.fixtures import RunningSite
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.verification import verify

DEADLINE = 0.5
CALL_SECONDS = 1.0
START_SECONDS = 3.0


@pytest.fixture(scope="module")
def running(
    softhsm: SoftHsm, faulty_module_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultySite]:
    with faulty_site(
        tmp_path_factory.mktemp("site"),
        softhsm,
        faulty_module_file,
        deadline_seconds=DEADLINE,
        worker_settings=f"call_seconds = {CALL_SECONDS}",
    ) as site:
        yield site


@pytest.fixture
def faulty(running: FaultySite) -> Iterator[FaultySite]:
    """A site that serves before and after."""
    running.recover()
    yield running
    running.recover()


@contextmanager
def worker_replaced(faulty: FaultySite) -> Iterator[None]:
    """Make sure that what happens here ends the worker, and that another logs in."""
    logins = faulty.running.daemon.log.count("is logged in")
    assert faulty.running.daemon.worker is not None
    with Watched(faulty.running.daemon.worker) as worker:
        yield
        assert worker.ends_within(PATIENCE)
    assert faulty.running.daemon.log.count("is logged in") == logins + 1


@pytest.mark.parametrize(
    "function",
    ["C_Sign", "C_Encrypt", "C_DeriveKey", "C_WrapKey", "C_DestroyObject", "C_FindObjects"],
)
def test_a_worker_that_hangs_is_replaced(faulty: FaultySite, function: str) -> None:
    with worker_replaced(faulty):
        faulty.module.hang(function, 1)
        faulty.wait_until_refused()
        faulty.desk.serve_a_card()


def test_a_worker_that_hangs_costs_no_answer_while_another_is_there(
    softhsm: SoftHsm, faulty_module_file: Path, tmp_path: Path
) -> None:
    settings = f"call_seconds = {CALL_SECONDS}"
    with faulty_site(
        tmp_path,
        softhsm,
        faulty_module_file,
        deadline_seconds=PATIENCE,
        workers=2,
        worker_settings=settings,
    ) as faulty:
        daemon = faulty.running.daemon
        daemon.wait_until_told("is logged in", times=2)
        faulty.module.hang("C_GenerateRandom", 1)
        with faulty.running.caller() as caller:
            assert caller.post(RANDOM, {"length": 1}).status == 200
        daemon.wait_until_told("waited for the HSM in vain")


@pytest.mark.parametrize("function", ["C_Finalize", "C_Initialize", "C_OpenSession", "C_Login"])
def test_a_worker_that_hangs_on_its_way_back_to_the_token_is_replaced(
    faulty: FaultySite, function: str
) -> None:
    with worker_replaced(faulty):
        faulty.module.hang(function, 1)
        faulty.module.fail(LOSING, "CKR_DEVICE_REMOVED", 1)
        faulty.wait_until_refused()
        faulty.desk.serve_a_card()


def test_a_start_that_hangs_is_given_up(
    softhsm: SoftHsm, faulty_module_file: Path, tmp_path: Path
) -> None:
    settings = f"start_seconds = {START_SECONDS}"
    with faulty_site(tmp_path, softhsm, faulty_module_file, worker_settings=settings) as faulty:
        module, daemon = faulty.module, faulty.running.daemon
        for function in ("C_Initialize", "C_Login"):
            logins = daemon.log.count("is logged in")
            module.hang(function, 1)
            daemon.kill_worker()
            daemon.wait_until_told("is logged in", logins + 1)
            assert module.met(function) == 1
        assert daemon.log.count("not ready after") >= 2


def test_what_takes_longer_than_usual_is_answered(faulty: FaultySite) -> None:
    refused = faulty.desk.statuses[503]
    faulty.module.delay("C_DeriveKey", DEADLINE / 20)

    faulty.desk.serve_a_card()

    assert faulty.desk.statuses[503] == refused


def test_what_takes_longer_than_the_deadline_is_a_503_and_on_record(faulty: FaultySite) -> None:
    """The worker has done it all the same, and its receipt is not lost."""
    faulty.module.delay("C_GenerateRandom", DEADLINE + 0.2, 1)
    with faulty.running.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable"

    def is_on_record() -> bool:
        return faulty.running.trail.records[-1].decision.operation == "worker.answer-unclaimed"

    wait_until(is_on_record)


def test_a_logout_that_hangs_does_not_keep_the_daemon(
    softhsm: SoftHsm, faulty_module_file: Path, tmp_path: Path
) -> None:
    with faulty_site(tmp_path, softhsm, faulty_module_file) as faulty:
        faulty.module.hang("C_CloseSession")

    assert faulty.module.met("C_CloseSession") == 1
    assert "is killed" not in faulty.running.daemon.log


def test_a_worker_that_is_killed_before_it_answers_is_on_record(faulty: FaultySite) -> None:
    """The token has done what was asked, and no receipt tells of it."""
    running = faulty.running
    met, before = faulty.module.met("C_GenerateRandom"), len(answers_lost(running))
    faulty.module.hang("C_GenerateRandom", 1, afterwards=True)
    with running.caller() as caller, ThreadPoolExecutor() as threads:
        asked = threads.submit(caller.post, RANDOM, {"length": 1})
        wait_until(lambda: faulty.module.met("C_GenerateRandom") > met)
        running.daemon.kill_worker()
        assert asked.result().code == "hsm-unavailable"

    wait_until(lambda: len(answers_lost(running)) > before)
    (lost,) = answers_lost(running)[before:]
    assert lost["operations"] == "make-random"
    receipts = [receipt for record in running.trail.records for receipt in record.decision.receipts]
    assert lost["worker"] in {receipt.worker for receipt in receipts}
    assert verify(running.site.audit_file).clean


def answers_lost(running: RunningSite) -> list[Mapping[str, str | int | bool]]:
    decisions = [record.decision for record in running.trail.records]
    return [each.details for each in decisions if each.operation == "worker.answers-lost"]
