"""The operations socket: how the daemon is, for its own user alone."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.site.batches import AES128, SCP01_HMAC
from tests.site.caller import Caller
from tests.site.changeovers import DES_CLOSED, DES_OPEN, FRESH_SCP02, UPGRADED
from tests.site.channels import RANDOM
from tests.site.daemon import Daemon, Watched, refuses_to_start, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite
from tests.site.identities import TPS
from tests.site.operations_socket import ask, with_socket

BATCHES = (AES128, SCP01_HMAC, FRESH_SCP02, DES_OPEN, DES_CLOSED, UPGRADED)
IN_WORKER = "worker memory (exception)"
UNAVAILABLE = (
    "unavailable: token does not wrap with CKM_DES3_ECB; needs allow_key_material_in_worker"
)


@pytest.fixture
def told(make_site: MakeSite) -> Iterator[tuple[Site, Daemon, Path]]:
    """A running site with its socket."""
    site = make_site(BATCHES)
    path = with_socket(site)
    with Daemon(site) as daemon:
        yield site, daemon.wait_until_ready(), path
        assert daemon.stop() == 0, daemon.log
        assert "Traceback" not in daemon.log, daemon.log


Told = tuple[Site, Daemon, Path]


def test_a_daemon_that_serves_is_alive_and_ready(told: Told) -> None:
    _, _, path = told

    assert ask(path, "/alive") == (200, {"alive": True})
    assert ask(path, "/ready") == (200, {"ready": True, "obstacles": []})


def test_the_state_says_what_is_served_and_which_way(told: Told) -> None:
    site, _, path = told

    status, state = ask(path, "/state")

    assert status == 200
    assert state["version"] == version("tmsd")
    assert state["policy"] == {
        "file": str(site.policy),
        "version": 1,
        "digest": sha256(site.policy.read_bytes()).hexdigest(),
        "signed": False,
        "approved_by": [],
        "activated": None,
    }
    assert state["reload"] == {"refused": None}
    (place,) = state["workers"].pop("places")
    assert state["workers"] == {
        "ready": True,
        "separation": "embedded: front and workers run as one user",
        "waiting": 0,
    }
    assert (place["place"], place["lane"], place["state"]) == (1, "fast", "operational")
    assert state["audit"] == {"fault": None}
    assert state["key_sets"] == {
        "aes128": served(),
        "scp01-hmac": served(card_keys=IN_WORKER),
        "fresh-scp02": served(
            versions={"255": "active"}, newest_version=255, factory=True, undiversified=True
        ),
        "des-open": served(
            versions={"1": "active", "2": "active"}, newest_version=2, put_key=IN_WORKER
        ),
        "des-closed": served(put_key=UNAVAILABLE),
        "upgraded": served(put_key=IN_WORKER),
    }
    assert state["transport_keys"] == {
        "tps-aes": {
            "version": 7,
            "wraps": "token",
            "static_deks": dict.fromkeys(("aes128", "scp01-hmac", "upgraded"), "token"),
        },
        "tps-des": {
            "version": 7,
            "wraps": IN_WORKER,
            "static_deks": {
                "aes128": UNAVAILABLE,  # the exception of the key set is lacking as well
                "scp01-hmac": IN_WORKER,
                "upgraded": IN_WORKER,
            },
        },
        "tps-des-closed": {"version": 7, "wraps": UNAVAILABLE, "static_deks": {}},
    }


def served(**differences: object) -> dict[str, object]:
    """Return what is told of a key set without anything special, but for differences."""
    return {
        "versions": {"1": "active"},
        "newest_version": 1,
        "card_keys": "token",
        "sessions": "token",
        "put_key": None,
        "factory": False,
        "undiversified": False,
    } | differences


def test_what_is_unsafe_is_said_in_words(told: Told) -> None:
    _, _, path = told

    _, state = ask(path, "/state")

    begins = [warning.partition(":")[0] for warning in state["warnings"]]
    assert begins[0] == "unsigned policy"
    assert "key set fresh-scp02 holds factory keys, which everybody knows" in begins
    assert "key set fresh-scp02 is undiversified" in begins
    assert "transport key tps-des allows session keys into the worker's memory" in begins


def test_nothing_can_be_changed_and_nothing_else_asked(told: Told) -> None:
    _, _, path = told

    assert ask(path, "/state", "POST")[0] == 405
    assert ask(path, "/v1/tks/random")[0] == 404


def test_only_the_daemons_user_may_connect(told: Told) -> None:
    _, _, path = told
    status = path.stat()

    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == os.geteuid()


def test_it_is_alive_and_not_ready_while_there_is_no_worker(told: Told) -> None:
    site, daemon, path = told
    site.policy.write_text(site.policy.read_text() + "\n[broken")  # no other worker starts
    assert daemon.worker is not None
    with Watched(daemon.worker) as worker:
        worker.send(signal.SIGKILL)
        assert worker.ends_within()

    wait_until(lambda: ask(path, "/ready")[0] == 503)

    assert ask(path, "/ready")[1] == {
        "ready": False,
        "obstacles": ["no worker: the HSM cannot be asked"],
    }
    assert ask(path, "/alive")[0] == 200
    state = ask(path, "/state")[1]
    assert state["workers"]["ready"] is False
    assert state["key_sets"]["des-open"]["put_key"] == IN_WORKER


def test_it_is_not_ready_while_nothing_can_be_recorded(told: Told) -> None:
    site, _, path = told
    away = site.audit_file.with_name("away.jsonl")
    site.audit_file.rename(away)
    with Caller(site, TPS) as caller:
        assert caller.post(RANDOM, {"length": 1}).code == "audit-unavailable"

        status, answer = ask(path, "/ready")
        fault = ask(path, "/state")[1]["audit"]["fault"]
        away.rename(site.audit_file)
        assert caller.post(RANDOM, {"length": 1}).status == 200

    assert status == 503
    assert answer["obstacles"] == [f"the audit log cannot be written: {fault}"]
    assert ask(path, "/ready")[0] == 200


def test_the_socket_is_there_before_the_worker_and_gone_after_the_end(
    make_site: MakeSite,
) -> None:
    site = make_site()
    path = with_socket(site)
    with Daemon(site) as daemon:
        wait_until(path.is_socket)
        daemon.wait_until_ready()
        assert daemon.stop() == 0

    assert not path.exists()


def test_a_socket_that_was_left_behind_is_replaced(make_site: MakeSite) -> None:
    site = make_site()
    path = with_socket(site)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    with Daemon(site) as daemon:
        daemon.wait_until_ready()
        assert ask(path, "/ready")[0] == 200
        assert daemon.stop() == 0


def test_a_second_daemon_leaves_the_firsts_socket_alone(make_site: MakeSite) -> None:
    site = make_site()
    path = with_socket(site)
    with Daemon(site) as first:
        first.wait_until_ready()
        with Daemon(site) as second:
            assert second.wait() == 1

        assert ask(path, "/ready")[0] == 200
        assert first.stop() == 0


def test_another_file_in_its_place_is_left_alone_and_ends_the_daemon(make_site: MakeSite) -> None:
    site = make_site()
    path = with_socket(site)
    path.write_text("mine")

    assert "operations socket: Address already in use" in refuses_to_start(site)
    assert path.read_text() == "mine"


def test_a_folder_that_is_not_there_ends_the_daemon(make_site: MakeSite) -> None:
    site = make_site()
    with site.configuration.open("a") as configuration:
        configuration.write('\n[operations]\nsocket = "missing/o"\n')

    reason = refuses_to_start(site)

    assert "operations socket: No such file or directory" in reason
    assert reason.endswith("missing/o'")


def test_without_the_setting_there_is_no_socket(make_site: MakeSite) -> None:
    site = make_site()
    with Daemon(site) as daemon:
        daemon.wait_until_ready()

        assert not [path for path in site.directory.iterdir() if path.is_socket()]
        assert daemon.stop() == 0
