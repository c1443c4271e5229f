"""Losing the worker or its token: 503 at once or an answer, and no restart of the daemon."""

import signal
import time
from functools import partial

import pytest
from click.testing import CliRunner

from hsm.pin_latch import PinLatch
from tests.site.batches import AES128, OWN_CHALLENGE
from tests.site.caller import ANSWER_SECONDS, Caller
from tests.site.channels import (
    RANDOM,
    SESSIONS,
    WRAP,
    get_data,
    initialize_update,
    open_channel,
    presented,
    session_request,
)
from tests.site.daemon import Watched, wait_until
from tests.site.fixtures import Run, RunningSite
from tests.softhsm.tokens import USER_PIN
from tmsd.cli.hsm import hsm


@pytest.fixture
def run(run: Run) -> Run:
    """Run sites whose deadline a caller does not live to see: what waits for it breaks the test."""
    return partial(run, deadline_seconds=3 * ANSWER_SECONDS)


def recovers(caller: Caller) -> bool:
    """Ask until there is an answer; meanwhile each refusal says to retry."""

    def answers() -> bool:
        answer = caller.post(RANDOM, {"length": 1})
        if answer.status != 200:
            assert answer.code == "hsm-unavailable"
            assert answer.document["next"] == "retry"
        return answer.status == 200

    wait_until(answers)
    return True


def end_worker(site: RunningSite) -> None:
    """Kill the worker, and wait for its end."""
    assert site.daemon.worker is not None
    with Watched(site.daemon.worker) as worker:
        worker.send(signal.SIGKILL)
        assert worker.ends_within()


def test_a_worker_that_was_killed_is_replaced(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        before = site.daemon.worker
        for _ in range(3):
            end_worker(site)
            assert recovers(caller)

        assert site.daemon.worker not in (before, None)
        assert site.daemon.stop() == 0


def test_sessions_and_tickets_outlive_the_worker_that_made_them(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        body = {"session": open_channel(caller, AES128, AES128.card()), "apdus": [get_data(0x9F7F)]}
        card = presented(caller, AES128, AES128.card())
        before = caller.post(WRAP, body)
        end_worker(site)
        assert recovers(caller)

        assert caller.post(WRAP, body).content == before.content
        assert caller.post(SESSIONS, session_request(card)).status == 200
        assert site.daemon.stop() == 0


def test_a_worker_that_hangs_costs_one_deadline_and_is_replaced(run: Run) -> None:
    deadline = 0.5
    site = run(deadline_seconds=deadline)
    assert site.daemon.worker is not None
    with site.caller() as caller, Watched(site.daemon.worker) as worker:
        worker.send(signal.SIGSTOP)
        begun = time.monotonic()
        refused = caller.post(RANDOM, {"length": 1})
        took = time.monotonic() - begun

        assert refused.code == "hsm-unavailable"
        assert deadline <= took
        assert recovers(caller)
        assert worker.ends_within()
        assert site.daemon.stop() == 0


def test_a_token_that_vanishes_is_a_503_until_it_is_back(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        card = presented(caller, AES128, AES128.card())
        with site.site.token_taken_away():
            refused = caller.post(SESSIONS, session_request(card))
            again = caller.post(SESSIONS, session_request(card))
            assert (refused.status, refused.code) == (503, "hsm-unavailable")
            assert (again.status, again.code) == (503, "hsm-unavailable")

        assert recovers(caller)
        assert open_channel(caller, AES128, AES128.card())
        assert site.daemon.stop() == 0


def test_a_key_that_is_looked_for_on_a_vanished_token_is_not_taken_for_missing(run: Run) -> None:
    site = run(batches=[AES128, OWN_CHALLENGE])
    challenge = bytes(8)
    card = {
        "initialize_update": initialize_update(OWN_CHALLENGE.card(), challenge).hex(),
        "host_challenge": challenge.hex(),
        "key_set": OWN_CHALLENGE.key_set,
    }
    with site.caller() as caller:
        with site.site.token_taken_away():
            # SoftHSM searches a vanished token without complaint, and finds nothing.
            refused = caller.post(SESSIONS, session_request(card))

        assert refused.code == "hsm-unavailable"
        assert recovers(caller)
        assert caller.post(SESSIONS, session_request(card)).status == 200
        assert site.daemon.stop() == 0


def test_a_token_that_stays_away_for_seconds_is_found_again(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        with site.site.token_taken_away():
            end_worker(site)
            site.daemon.wait_until_told("the worker did not start")
            assert caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable"

        assert recovers(caller)
        assert site.daemon.stop() == 0


def test_a_pin_that_is_refused_after_the_start_is_not_tried_again_until_it_is_another(
    run: Run,
) -> None:
    site = run()
    with site.caller() as caller:
        site.site.write_pin(b"changed-meanwhile")
        end_worker(site)
        site.daemon.wait_until_told("a PIN was refused: ")

        assert (
            site.daemon.log.count("correct it before the next try") == 2
        )  # once, and why not again
        assert caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable"
        site.site.write_pin(USER_PIN)
        assert recovers(caller)
        assert site.daemon.stop() == 0


def test_unlatching_allows_one_more_try(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        latch = PinLatch(site.site.latch_file)
        with latch.locked():
            latch.close("somebody typed another one", site.site.pin_file)
        end_worker(site)
        site.daemon.wait_until_told("somebody typed another one")
        unlatched = CliRunner().invoke(
            hsm, ["unlatch", "--config", str(site.site.configuration), "--yes"]
        )

        assert "somebody typed another one" in unlatched.output
        assert unlatched.exit_code == 0
        assert recovers(caller)
        assert site.daemon.stop() == 0


@pytest.mark.parametrize(
    ("addition", "reason"),
    [(b"# changed\n", "policy.toml changed"), (b"[broken\n", "the worker did not start")],
    ids=["another", "broken"],
)
def test_a_policy_that_changed_is_not_served_by_halves(
    run: Run, addition: bytes, reason: str
) -> None:
    site = run()
    policy = site.site.policy
    original = policy.read_bytes()
    with site.caller() as caller:
        policy.write_bytes(original + addition)
        end_worker(site)
        site.daemon.wait_until_told(reason)
        assert caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable"
        policy.write_bytes(original)

        assert recovers(caller)
        assert site.daemon.stop() == 0
