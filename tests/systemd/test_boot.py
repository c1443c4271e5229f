"""A system boots, and systemd starts tmsd by the units of systemd/: all of it for real.

As root alone; elsewhere these tests are skipped and say so.
"""

import json
from typing import Any

import pytest

from tests.site.batches import AES128
from tests.site.channels import KEY_SETS, OK, RANDOM, open_channel, store_data, wrap
from tests.site.daemon import wait_until
from tests.site.identities import UNKNOWN
from tests.softhsm.tokens import USER_PIN
from tests.systemd.conftest import Installed
from tests.systemd.installation import FRONT, PIN_FILE, WORKER
from tmsd.systemd.journal import Event

pytestmark = pytest.mark.xdist_group("boot")

CREDENTIAL = f"/run/credentials/{WORKER}/hsm-pin"


def entries(system: Installed, unit: str, event: Event) -> list[dict[str, Any]]:
    """Return the journal entries of an event, oldest first."""
    return journal(system, unit, f"MESSAGE_ID={event.value}")


def journal(system: Installed, unit: str, match: str) -> list[dict[str, Any]]:
    """Return the journal entries of a unit that have a field, oldest first."""
    system.container.run("journalctl", "--sync")
    found = system.container.run("journalctl", "--output=json", f"--unit={unit}", match)
    return [json.loads(line) for line in found.splitlines()]


def answered(system: Installed) -> bool:
    """Say whether a caller who comes now gets an answer from the HSM."""
    with system.caller() as caller:
        return caller.post(RANDOM, {"length": 16}).status == 200


def test_systemd_finds_nothing_to_say_of_the_installed_units(system: Installed) -> None:
    names = ("tmsd.service", "tmsd.socket", "tmsd-worker@1.service", "tmsd-worker@1.socket")
    verified = system.container.attempt("systemd-analyze", "verify", *names)
    assert verified.stderr == ""
    assert verified.returncode == 0


def test_systemctl_start_returns_when_callers_are_served(system: Installed) -> None:
    system.start()
    assert answered(system)
    assert system.shown(FRONT, "ActiveState") == "active"
    assert system.shown("tmsd.socket", "UnitFileState") == "enabled"
    # A test before this one may have taken its worker away, which it tells in its own time.
    serving = "serving callers at https://127.0.0.1:8443"
    wait_until(lambda: system.shown(FRONT, "StatusText") == serving)
    assert system.shown(WORKER, "ActiveState") == "active"


def test_a_card_gets_its_channel_and_a_command_through_it(running: Installed) -> None:
    card = AES128.card()
    with running.caller() as caller:
        session = open_channel(caller, AES128, card)
        _, (command,) = wrap(caller, session, [store_data(0xDF20, b"stored under systemd")])
        key_sets = caller.get(KEY_SETS)
    assert card.transmit(command) == OK
    assert key_sets.status == 200, key_sets.document


def test_the_journal_has_events_with_their_fields(running: Installed) -> None:
    assert answered(running)
    with running.caller() as caller:
        refused = caller.post(RANDOM, {"length": 0})
    with running.caller(UNKNOWN) as stranger:
        unknown = stranger.post(RANDOM, {"length": 16})

    ready = entries(running, FRONT, Event.READY)[-1]
    assert ready["MESSAGE"] == "ready: https://127.0.0.1:8443"
    assert (ready["TMSD_EVENT"], ready["PRIORITY"]) == ("ready", "6")
    assert (ready["SYSLOG_IDENTIFIER"], ready["LOGGER"]) == ("tmsd", "tmsd.daemon.main")
    by_request = {
        entry["TMSD_REQUEST"]: entry for entry in entries(running, FRONT, Event.REQUEST_REFUSED)
    }
    assert by_request[refused.request_id]["TMSD_CALLER"] == "tps-demo"
    assert by_request[refused.request_id]["TMSD_CODE"] == refused.code
    assert "TMSD_CALLER" not in by_request[unknown.request_id]
    assert (
        entries(running, FRONT, Event.WORKER_READY)[-1]["TMSD_WORKER"] == "/run/tmsd-worker/1.sock"
    )
    of_worker = journal(running, WORKER, "LOGGER=tmsd.worker.for_callers")[-1]
    assert of_worker["SYSLOG_IDENTIFIER"] == "tmsd-worker"


def test_reload_takes_a_new_policy_and_keeps_the_old_for_a_bad_one(running: Installed) -> None:
    container = running.container
    policy = container.run("cat", "/etc/tmsd/policy.toml")
    front = running.shown(FRONT, "MainPID")
    told = len(entries(running, FRONT, Event.RELOADED))
    container.write("/etc/tmsd/policy.toml", f"# anew\n{policy}")
    container.run("systemctl", "reload", FRONT)
    wait_until(lambda: len(entries(running, FRONT, Event.RELOADED)) == told + 1)
    assert answered(running)

    container.write("/etc/tmsd/policy.toml", "[callers")
    container.run("systemctl", "reload", FRONT)
    wait_until(lambda: bool(entries(running, FRONT, Event.RELOAD_REFUSED)))
    assert answered(running)
    container.write("/etc/tmsd/policy.toml", f"# anew\n{policy}")
    assert running.shown(FRONT, "MainPID") == front


def test_the_fronts_user_cannot_read_the_pin(running: Installed) -> None:
    worker = running.shown(WORKER, "MainPID")
    container = running.container
    assert container.run("cat", CREDENTIAL) == container.run("cat", PIN_FILE) != ""
    for file in (
        CREDENTIAL,
        PIN_FILE,
        "/var/lib/tmsd-worker/tokens",
        f"/proc/{worker}/environ",
        f"/proc/{worker}/root{CREDENTIAL}",
        f"/proc/{worker}/mem",
    ):
        tried = container.attempt("ls", "-R", file, user="tmsd")
        read = container.attempt("cat", file, user="tmsd")
        assert read.returncode != 0, f"{file}: {tried.stdout}"


def test_the_front_itself_does_not_even_see_where_the_pin_is(running: Installed) -> None:
    front = running.shown(FRONT, "MainPID")
    for hidden in (
        "/var/lib/tmsd-worker",
        "/etc/credstore",
        f"/proc/{running.shown(WORKER, 'MainPID')}",
    ):
        within = ["nsenter", "-t", front, "--mount", "setpriv", "--reuid=tmsd", "--regid=tmsd"]
        within += ["--clear-groups"]
        seen = running.container.attempt(*within, "ls", hidden)
        assert seen.returncode != 0, seen.stdout


@pytest.mark.parametrize("unit", [FRONT, WORKER])
def test_front_and_worker_have_no_network(unit: str, running: Installed) -> None:
    pid = running.shown(unit, "MainPID")
    network = running.container.run("readlink", f"/proc/{pid}/ns/net")
    assert network != running.container.run("readlink", "/proc/1/ns/net")
    routes = running.container.run("nsenter", "-t", pid, "--net", "cat", "/proc/net/route")
    assert len(routes.splitlines()) == 1


def test_nobody_but_the_front_may_ask_a_worker(running: Installed) -> None:
    ask = "import socket; socket.socket(socket.AF_UNIX).connect('/run/tmsd-worker/1.sock')"
    tried = running.container.attempt("/opt/tmsd/bin/python", "-c", ask, user="daemon")
    assert "PermissionError" in tried.stderr


def test_a_worker_that_is_killed_is_replaced_and_the_front_stays(running: Installed) -> None:
    assert answered(running)
    front, worker = running.shown(FRONT, "MainPID"), running.shown(WORKER, "MainPID")
    running.container.run("systemctl", "kill", "--signal=KILL", WORKER)
    wait_until(lambda: running.shown(WORKER, "MainPID") not in {worker, "0"})
    wait_until(lambda: answered(running))
    assert running.shown(FRONT, "MainPID") == front


def test_who_comes_while_tmsd_is_restarted_waits_and_is_served(running: Installed) -> None:
    before = running.shown(FRONT, "MainPID")
    running.container.run("systemctl", "restart", "--no-block", FRONT)
    for _ in range(20):
        assert answered(running)
    wait_until(lambda: running.shown(FRONT, "MainPID") not in {before, "0"})
    assert answered(running)


def test_who_comes_when_tmsd_is_down_starts_it(running: Installed) -> None:
    running.container.run("systemctl", "stop", FRONT)
    assert running.shown(FRONT, "ActiveState") == "inactive"
    assert answered(running)
    assert running.shown(FRONT, "ActiveState") == "active"


def test_a_front_that_hangs_is_replaced(running: Installed) -> None:
    running.container.write(
        "/run/systemd/system/tmsd.service.d/watchdog.conf", "[Service]\nWatchdogSec=2\n"
    )
    running.container.run("systemctl", "daemon-reload")
    running.container.run("systemctl", "restart", FRONT)
    hanging = running.shown(FRONT, "MainPID")
    running.container.run("kill", "-STOP", hanging)
    wait_until(lambda: running.shown(FRONT, "MainPID") not in {hanging, "0"})
    assert answered(running)


def test_a_refused_pin_is_tried_once_and_told_in_the_journal(running: Installed) -> None:
    container = running.container
    container.run("systemctl", "stop", "tmsd.socket", FRONT)
    container.write(PIN_FILE, "wrong pin")
    assert container.attempt("systemctl", "start", FRONT).returncode != 0
    container.run("systemctl", "stop", "tmsd.socket", FRONT)
    container.run("systemctl", "reset-failed", FRONT)
    assert "PIN" in entries(running, FRONT, Event.FAILED)[-1]["MESSAGE"]

    container.write(PIN_FILE, USER_PIN.decode())
    latched = container.attempt("systemctl", "start", FRONT)
    assert latched.returncode != 0
    container.run("systemctl", "stop", "tmsd.socket", FRONT)
    container.run("systemctl", "reset-failed", FRONT)
    assert "tmsctl hsm unlatch" in entries(running, FRONT, Event.FAILED)[-1]["MESSAGE"]

    unlatch = ["/opt/tmsd/bin/tmsctl", "hsm", "unlatch", "--yes", "--config", "/etc/tmsd/tmsd.toml"]
    container.run(*unlatch, user="tmsd-worker")
    container.run("systemctl", "start", FRONT)
    assert answered(running)


def test_stop_ends_front_and_worker_in_order(running: Installed) -> None:
    assert answered(running)
    running.container.run("systemctl", "stop", "tmsd.socket", FRONT)
    assert running.shown(FRONT, "Result") == "success"
    wait_until(lambda: running.shown(WORKER, "ActiveState") == "inactive")
    assert running.shown(WORKER, "Result") == "success"
    assert entries(running, FRONT, Event.STOPPING)
