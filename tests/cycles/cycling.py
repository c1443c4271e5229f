"""Running cycles with callers at work, and what came of them."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from threading import Event

from tests.cycles.kinds import OFTEN, Kind
from tests.site.card_desk import CardDesk
from tests.site.channels import CHALLENGES
from tests.site.daemon import wait_until
from tests.site.faulty import (
    CARDS,
    NEW_VERSION,
    RECOVERY_SECONDS,
    FaultySite,
    faulty_site,
)
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Outcome

# A desk may meet several cycles in a row before its turn comes, on a busy machine.
_PATIENCE = 60.0
_DESKS = 2
_LINES_OF_LOG = 30
_TMSCTL = Path(sys.executable).with_name("tmsctl")


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long it took in one cycle, in seconds, until the site served again.

    Attributes:
        kind: what was lost.
        seconds: by the clock.
        waiting: for how long of these a process of the site waited for a processor that others had;
            the longest of front and workers.
    """

    kind: str
    seconds: float
    waiting: float

    @property
    def own_seconds(self) -> float:
        """How long it would have taken on a machine that has nothing else to do."""
        return self.seconds - self.waiting


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the cycles.

    Attributes:
        seed: gives the same order again.
        recoveries: one of each cycle, in their order.
        losses: how often a worker lost the token, of its own knowledge.
        workers: how many logged in.
        answers: of all callers, by status.
        verified: what `tmsctl audit verify` said.
    """

    seed: int
    recoveries: tuple[Recovery, ...]
    losses: int
    workers: int
    answers: Counter[int]
    verified: str

    def __str__(self) -> str:
        """Return a table of recoveries by kind, and the counts."""
        head = f"{'':18} cycles  median s  maximum s  less waiting for a processor"
        lines = [f"seed {self.seed}", head]
        for kind in (*(kind.__name__ for kind in OFTEN), ""):
            of_kind = [each for each in self.recoveries if kind in (each.kind, "")]
            if of_kind:
                name = kind.replace("_", " ") or "all"
                took = [each.seconds for each in of_kind]
                own = max(each.own_seconds for each in of_kind)
                lines.append(
                    f"{name:18} {len(took):6}  {median(took):8.2f}  {max(took):9.2f}  {own:12.2f}"
                )
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(self.answers.items()))
        lines += [
            f"answers {statuses}; each 200 right and on record",
            f"tokens lost {self.losses}, workers logged in {self.workers}, one front",
            self.verified,
        ]
        return "\n".join(lines)


def run(
    directory: Path,
    softhsm: SoftHsm,
    module_file: Path,
    *,
    cycles: int,
    seed: int,
    workers: int | None,
) -> Report:
    """Break and mend a new site so many times; its workers are set as the daemon has them.

    Args:
        directory: empty; for the site.
        softhsm: where its token is made.
        module_file: the compiled module that stands before the token.
        cycles: how many.
        seed: decides the order, and all that is left to chance.
        workers: how many the site has, for all that is asked; None as the daemon has them.

    Raises:
        AssertionError: an answer was wrong or is not on record, or something crashed, or the
            site did not serve again within `RECOVERY_SECONDS` of its own.
    """
    with faulty_site(
        directory,
        softhsm,
        module_file,
        deadline_seconds=None,
        workers=workers,
        slow_workers=None if workers is None else 0,
    ) as faulty:
        with faulty.running.caller() as caller, at_work(faulty) as desks:
            desk = CardDesk(caller, CARDS, NEW_VERSION, _PATIENCE)
            recoveries = tuple(
                _cycle(faulty, desk, kind, chance) for kind, chance in _order(cycles, seed)
            )
        log = faulty.running.daemon.log
    acknowledged: dict[str, str] = {}
    answers: Counter[int] = Counter()
    for each in (*desks, desk):
        acknowledged |= each.acknowledged
        answers += each.statuses
    _hold_records(faulty, acknowledged)
    return Report(
        seed=seed,
        recoveries=recoveries,
        losses=log.count("the token is lost"),
        workers=log.count("is logged in"),
        answers=answers,
        verified=_verified(faulty.running.site.audit_file),
    )


@contextmanager
def at_work(faulty: FaultySite) -> Iterator[list[CardDesk]]:
    """Let desks serve cards without a pause; whatever one of them meets is raised at the end."""
    over = Event()
    desks: list[CardDesk] = []

    def serve_cards() -> None:
        with faulty.running.caller() as caller:
            desk = CardDesk(caller, CARDS, NEW_VERSION, _PATIENCE)
            desks.append(desk)
            while not over.is_set():
                desk.serve_a_card()

    with ThreadPoolExecutor() as threads:
        working = [threads.submit(serve_cards) for _ in range(_DESKS)]
        try:
            wait_until(lambda: len(desks) == _DESKS and all(d.statuses[200] for d in desks))
            yield desks
        finally:
            over.set()
        for each in working:
            each.result()


def _order(cycles: int, seed: int) -> Iterator[tuple[Kind, Random]]:
    chance = Random(seed)  # noqa: S311  no secret: it must be possible to have the same again
    for kind in chance.choices([*OFTEN], [*OFTEN.values()], k=cycles):
        yield kind, chance


def _cycle(faulty: FaultySite, desk: CardDesk, kind: Kind, chance: Random) -> Recovery:
    """Break and mend, and wait until a stored key is used again."""
    kind(faulty, chance)
    mended, before = time.monotonic(), _waiting(faulty)
    desk.ask(CHALLENGES, {"length": 8})
    seconds = time.monotonic() - mended
    waiting = max(now - before.get(pid, 0.0) for pid, now in _waiting(faulty).items())
    recovery = Recovery(kind.__name__, seconds, waiting)
    assert recovery.own_seconds <= RECOVERY_SECONDS, f"{recovery}\n{_end_of_log(faulty)}"
    return recovery


def _waiting(faulty: FaultySite) -> dict[int, float]:
    """Return how many seconds front and workers have waited for a processor (proc(5))."""
    daemon = faulty.running.daemon
    waiting = {}
    for pid in (daemon.pid, *daemon.workers):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            _, nanoseconds, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
            waiting[pid] = int(nanoseconds) / 1e9
    return waiting


def _end_of_log(faulty: FaultySite) -> str:
    """Return what the daemon has said last, but for refusals of requests."""
    told = [line for line in faulty.running.daemon.log.splitlines() if "tmsd.api" not in line]
    return "\n".join(told[-_LINES_OF_LOG:])


def _hold_records(faulty: FaultySite, acknowledged: dict[str, str]) -> None:
    """Fail unless each acknowledged answer has one record of its own, with its digest."""
    recorded: Counter[tuple[str | None, str | None]] = Counter(
        (record.decision.request_id, record.decision.answer_digest)
        for record in faulty.running.trail.records
        if record.decision.outcome is Outcome.ALLOWED and record.decision.answer_digest
    )
    assert {recorded[answer] for answer in acknowledged.items()} == {1}


def _verified(file: Path) -> str:
    verified = subprocess.run(
        [_TMSCTL, "audit", "verify", file], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stdout
    return verified.stdout.splitlines()[0]
