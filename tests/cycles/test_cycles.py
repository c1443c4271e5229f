"""Two hundred losses of the HSM with callers at work: no answer is wrong, and none unrecorded."""

import secrets
from pathlib import Path

import pytest

from tests.cycles.cycling import run
from tests.softhsm.tokens import SoftHsm

CYCLES = 50


@pytest.mark.parametrize("workers", [1, None], ids=["one worker", "workers by default"])
@pytest.mark.parametrize("part", range(2))
def test_every_loss_is_mended_and_no_answer_is_wrong_or_without_its_record(
    tmp_path: Path, softhsm: SoftHsm, faulty_module_file: Path, part: int, workers: int | None
) -> None:
    seed = secrets.randbits(32)
    again = f"make cycles CYCLES={CYCLES} SEED={seed} WORKERS={workers or ''}"
    print(f"part {part}: {again}")  # noqa: T201  pytest shows it when this fails

    report = run(tmp_path, softhsm, faulty_module_file, cycles=CYCLES, seed=seed, workers=workers)

    assert len(report.recoveries) == CYCLES
    assert report.losses + report.workers > CYCLES / 2, report
