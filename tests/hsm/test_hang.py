"""What does not return ends its process, and what returns leaves no trace."""

import signal
import subprocess
import sys

import pytest

_PROGRAM = """
import signal, time
from hsm.hang import process_ending_after
{}
print("went on", *signal.getitimer(signal.ITIMER_REAL))
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(body)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "body",
    [
        "with process_ending_after(0.05): time.sleep(60)",
        "with process_ending_after(60), process_ending_after(0.05): time.sleep(60)",
        "with process_ending_after(0.05), process_ending_after(60): time.sleep(60)",
        "with process_ending_after(0.1):\n with process_ending_after(60): pass\n time.sleep(60)",
    ],
    ids=["alone", "inner", "outer", "outer after an inner one"],
)
def test_a_block_that_is_not_left_in_time_ends_the_process(body: str) -> None:
    ended = run(body)

    assert ended.returncode == -signal.SIGALRM
    assert ended.stdout == ""


def test_a_block_that_is_left_in_time_leaves_no_alarm() -> None:
    ended = run("with process_ending_after(60), process_ending_after(30): pass")

    assert (ended.returncode, ended.stdout) == (0, "went on 0.0 0.0\n")
