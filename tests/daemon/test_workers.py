"""Several workers under load: killed, worn out, one for what takes long; nobody goes unanswered."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from tests.site.batches import AES128
from tests.site.channels import RANDOM, WRAP, get_data, open_channel
from tests.site.contract import Answer
from tests.site.daemon import Watched, wait_until
from tests.site.faulty import faulty_site
from tests.site.fixtures import Run, RunningSite
from tests.site.identities import BRANCH, TPS
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Record


@contextmanager
def under_load(site: RunningSite) -> Iterator[list[Answer]]:
    """Let two callers ask over three connections without a pause; give their answers."""
    answers: list[Answer] = []
    over = Event()

    def ask(name: str) -> None:
        with site.caller(name) as caller:
            session = open_channel(caller, AES128, AES128.card())
            wrapping = {"session": session, "apdus": [get_data(0x9F7F)]}
            expected = caller.post(WRAP, wrapping).document["apdus"]
            while not over.is_set():
                answer = caller.post(WRAP, wrapping)
                assert answer.code or answer.document["apdus"] == expected
                answers.extend((answer, caller.post(RANDOM, {"length": 8})))

    with ThreadPoolExecutor() as threads:
        asking = [threads.submit(ask, name) for name in (TPS, TPS, BRANCH)]
        try:
            wait_until(lambda: len(answers) > 20)
            yield answers
        finally:
            over.set()
        for each in asking:
            each.result()


def records_of(site: RunningSite, answers: list[Answer]) -> Iterator[list[Record]]:
    for answer in answers:
        yield site.trail.of_request(answer.request_id)


def kill(pid: int) -> None:
    with Watched(pid) as worker:
        worker.send(signal.SIGKILL)
        assert worker.ends_within()


def more(answers: list[Answer], count: int) -> Callable[[], bool]:
    enough = len(answers) + count
    return lambda: len(answers) >= enough


def test_workers_that_are_killed_cost_no_answer_while_another_is_there(run: Run) -> None:
    site = run(workers=2)
    with under_load(site) as answers:
        for logins in range(2, 8):
            site.daemon.wait_until_told("is logged in", times=logins)
            wait_until(more(answers, 30))
            kill(site.daemon.workers[0])

    assert Counter(answer.status for answer in answers) == {200: len(answers)}
    assert all(len(records) == 1 for records in records_of(site, answers))


def test_worn_out_workers_are_renewed_without_a_failed_request(run: Run) -> None:
    site = run(workers=1, worker_settings="recycle_derivations = 100")
    with under_load(site) as answers:
        site.daemon.wait_until_told("is worn out", times=4)

    assert Counter(answer.status for answer in answers) == {200: len(answers)}
    assert all(len(records) == 1 for records in records_of(site, answers))


def test_a_worker_whose_module_leaks_is_renewed_without_a_failed_request(
    softhsm: SoftHsm, faulty_module_file: Path, tmp_path: Path
) -> None:
    settings = "recycle_megabytes = 64"
    with faulty_site(tmp_path, softhsm, faulty_module_file, worker_settings=settings) as faulty:
        faulty.module.leak("C_DeriveKey", 1 << 20)
        with under_load(faulty.running) as answers:
            faulty.running.daemon.wait_until_told("is worn out", times=2)
            faulty.module.behave()

    assert Counter(answer.status for answer in answers) == {200: len(answers)}


def test_every_worker_killed_at_once_is_a_503_until_one_is_back(run: Run) -> None:
    site = run(workers=2)
    wait_until(lambda: len(site.daemon.workers) == 2)
    with under_load(site) as answers:
        for pid in site.daemon.workers:
            kill(pid)
        wait_until(lambda: answers[-1].status == 503)
        wait_until(lambda: answers[-1].status == 200)

    assert {answer.status for answer in answers} == {200, 503}
    assert {answer.code for answer in answers} == {None, "hsm-unavailable"}
    assert all(len(records) == 1 for records in records_of(site, answers))


def test_workers_start_one_after_another(run: Run) -> None:
    site = run(workers=3, slow_workers=1)
    counts: set[int] = set()

    def all_there() -> bool:
        started, logged_in = len(site.daemon.workers), site.daemon.log.count("is logged in")
        counts.add(started - logged_in)
        return logged_in == 4

    wait_until(all_there)
    assert max(counts) <= 1


def test_a_worker_in_each_place_answers_and_leaves_receipts_of_its_own(run: Run) -> None:
    site = run(workers=2, slow_workers=1)
    site.daemon.wait_until_told("is logged in", times=3)
    with under_load(site) as answers:
        wait_until(more(answers, 200))
    with site.caller() as caller:
        slow = caller.get("/v1/tks/key-sets")

    def workers(answer: Answer) -> set[str]:
        (record,) = site.trail.of_request(answer.request_id)
        return {receipt.worker for receipt in record.decision.receipts}

    fast: Counter[Any] = Counter(worker for answer in answers for worker in workers(answer))
    assert len(fast) == 2
    assert len(workers(slow) - fast.keys()) == 1


def test_receipts_count_every_answer_of_a_worker(run: Run) -> None:
    site = run(workers=1)
    with under_load(site) as answers:
        wait_until(more(answers, 100))

    receipts = [receipt for record in site.trail.records for receipt in record.decision.receipts]
    assert sorted(receipt.sequence for receipt in receipts) == list(range(1, len(receipts) + 1))
    assert len({receipt.worker for receipt in receipts}) == 1
