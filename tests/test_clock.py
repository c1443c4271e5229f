"""One module reads the clocks; whoever else tries is refused by ruff, in tmsd and in hsm."""

import subprocess
import sys
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from tmsd import clock

ROOT = Path(__file__).parent.parent


def refused(module: str, source: str) -> list[str]:
    """Return where ruff refuses `source` as a banned API, if it stood in `module`."""
    options = "--no-cache --quiet --select=TID251 --output-format=concise --stdin-filename"
    return subprocess.run(
        [sys.executable, "-m", "ruff", "check", *options.split(), module, "-"],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()


@pytest.mark.parametrize("module", ["tmsd/tks/random.py", "tmsd/worker/opening.py", "hsm/keys.py"])
@pytest.mark.parametrize(
    "source",
    [
        "import time\n",
        "from time import monotonic_ns\n",
        "import datetime\n\nprint(datetime.datetime.now(datetime.UTC))\n",
        "from datetime import datetime\n\nprint(datetime.utcnow())\n",
        "from datetime import date\n\nprint(date.today())\n",
    ],
)
def test_no_other_module_reads_a_clock(module: str, source: str) -> None:
    assert [line for line in refused(module, source) if "use tmsd.clock" in line]


def test_the_clock_module_may() -> None:
    assert refused("tmsd/clock.py", "import time\n") == []


def test_both_ways_to_say_what_time_it_is_agree() -> None:
    before = clock.now_ms()
    now = clock.now()

    assert now.tzinfo is UTC
    assert before <= now.timestamp() * 1000 <= clock.now_ms() + 1
    assert now.utcoffset() == timedelta(0)
