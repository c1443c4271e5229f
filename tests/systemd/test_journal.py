"""Where log lines go, and what fields they have. A real journal is in test_boot.py."""

import os
import subprocess
import sys

import pytest

from tests.site.daemon import Daemon
from tests.site.fixtures import MakeSite
from tmsd.systemd.journal import Event, about

_LOG = """
import logging
from tmsd.systemd.journal import Event, about, log_to_journal_or_stderr
log_to_journal_or_stderr("tmsd")
logging.getLogger("tmsd.anything").info("told", extra=about(Event.READY, caller="tps"))
"""
_WITHOUT_LIBRARY = "import sys; sys.modules['systemd'] = None\n"
_NOTIFY = """
from tmsd.systemd.notifying import ServiceManager
ServiceManager.of_this_process()
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_lines_go_to_standard_error_where_that_is_not_the_journal() -> None:
    assert run(_LOG).stderr == "INFO tmsd.anything: told\n"


def test_a_journal_that_standard_error_was_redirected_from_is_not_written_to() -> None:
    # $JOURNAL_STREAM outlives a redirection; the numbers in it tell (systemd.exec(5)).
    assert run(_LOG, JOURNAL_STREAM="8:1").stderr == "INFO tmsd.anything: told\n"


def test_without_the_library_lines_go_to_standard_error_all_the_same() -> None:
    read, write = os.pipe()
    with os.fdopen(read) as log, os.fdopen(write, "w") as stderr:
        status = os.fstat(write)
        subprocess.run(
            [sys.executable, "-c", _WITHOUT_LIBRARY + _LOG],
            check=True,
            stderr=stderr,
            env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
        )
        stderr.close()
        assert log.read() == "INFO tmsd.anything: told\n"


def test_a_service_without_the_library_says_what_to_install() -> None:
    ended = run(_WITHOUT_LIBRARY + _NOTIFY, NOTIFY_SOCKET="/nowhere")
    assert "install tmsd with its extra, as tmsd[systemd]" in ended.stderr
    assert ended.returncode == 1


def test_every_event_has_an_id_of_its_own() -> None:
    assert len({event.value for event in Event}) == len(Event)
    for event in Event:
        assert len(bytes.fromhex(event.value)) == 16


def test_what_is_not_known_of_an_event_is_no_field_of_it() -> None:
    assert about(Event.WORKER_ENDED, worker=17) == {
        "MESSAGE_ID": Event.WORKER_ENDED.value,
        "TMSD_EVENT": "worker-ended",
        "TMSD_WORKER": "17",
    }


@pytest.mark.parametrize("signal_name", ["READY", "STOPPING"])
def test_the_daemon_logs_events_as_lines_without_systemd(
    signal_name: str, make_site: MakeSite
) -> None:
    with Daemon(make_site()) as daemon:
        daemon.wait_until_ready()
        assert daemon.stop() == 0
        assert f"INFO tmsd.daemon.main: {signal_name.lower()}" in daemon.log
