"""What does not return ends its process, and what returns leaves no trace."""

import signal
import subprocess
import sys

import pytest

_PROGRAM = """
import signal, time
from hsm.hang import SharedAlarm, has_its_time, limit_calls, limited, process_ending_after
{}
print("went on", *signal.getitimer(signal.ITIMER_REAL))
"""

_CALLS_THAT_ASK = """
limit_calls(0.05)
with SharedAlarm():
    for _ in range(9):
        time.sleep(0.04 * has_its_time())
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
        "limit_calls(0.05); limited(time.sleep)(60)",
        "limit_calls(0.05); limited(lambda: limited(time.sleep)(60))()",
        "limit_calls(60)\nwith process_ending_after(0.05): limited(time.sleep)(60)",
        "limit_calls(60)\nwith process_ending_after(0.1):\n limited(int)()\n time.sleep(60)",
        "limit_calls(0.05)\nwith SharedAlarm(): limited(int)(); limited(time.sleep)(60)",
        "limit_calls(60)\nwith process_ending_after(0.1), SharedAlarm(): limited(time.sleep)(60)",
        "limit_calls(60)\nwith process_ending_after(0.1):\n with SharedAlarm(): 0\n time.sleep(60)",
        "with SharedAlarm(0.05): time.sleep(60)",
        "limit_calls(60)\nwith SharedAlarm(0.05):\n with SharedAlarm(): limited(time.sleep)(60)",
        "limit_calls(0.05)\nwith SharedAlarm(0.2):\n while True: limited(time.sleep)(0.04)",
        "limit_calls(0.05)\nwith SharedAlarm():\n if has_its_time(): time.sleep(60)",
    ],
    ids=[
        *("alone", "inner", "outer", "outer after an inner one"),
        *("a call", "a call in a call", "a call in a block", "a block after a call"),
        *("a call of many", "many calls in a block", "a block after many calls"),
        *("many calls in their time", "a call of many in theirs", "too many calls"),
        "a call that asked",
    ],
)
def test_what_does_not_end_in_time_ends_the_process(body: str) -> None:
    ended = run(body)

    assert ended.returncode == -signal.SIGALRM
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "body",
    [
        "with process_ending_after(60), process_ending_after(30): pass",
        "limit_calls(60); limited(int)()",
        "limit_calls(0.05)\nfor _ in range(3): limited(time.sleep)(0.03)\ntime.sleep(0.1)",
        "limit_calls(0.05)\nwith SharedAlarm():\n for _ in range(9): limited(time.sleep)(0.04)",
        "with SharedAlarm(): limited(time.sleep)(0.1)",
        "limit_calls(0.05)\nwith SharedAlarm(60): limited(time.sleep)(0.03)\ntime.sleep(0.2)",
        _CALLS_THAT_ASK,
        "limited(time.sleep)(0.1)",
    ],
    ids=[
        *("blocks", "a call", "calls that take long together", "calls that share an alarm"),
        *("no limit for calls that share one", "calls that share it for a time"),
        *("calls that asked", "no limit"),
    ],
)
def test_what_ends_in_time_leaves_no_alarm(body: str) -> None:
    ended = run(body)

    assert (ended.returncode, ended.stdout) == (0, "went on 0.0 0.0\n")


def test_a_call_has_its_time_where_it_has_an_end_or_needs_none() -> None:
    ended = run("""
told = [has_its_time()]
limit_calls(60)
told += [has_its_time(), limited(has_its_time)()]
with SharedAlarm():
    told += [has_its_time()]
told += [has_its_time()]
print(*told)
""")

    assert ended.stdout.splitlines()[0] == "True False True True False"
