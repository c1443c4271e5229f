"""A clock that is stepped under a running daemon: what expires, what does not, what is refused."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.changeovers import DATED
from tests.site.channels import (
    CHALLENGES,
    RANDOM,
    SESSIONS,
    VERIFY,
    WRAP,
    forged,
    get_data,
    open_channel,
    presented,
    session_request,
)
from tests.site.daemon import Daemon, refuses_to_start, wait_until
from tests.site.fixtures import MakeSite, RunningSite
from tests.site.operations_socket import ask, with_socket
from tests.site.stepped_clock import SteppedClock
from tmsd.audit.verification import verify

TEN_MINUTES = 600

Start = Callable[[], RunningSite]


@pytest.fixture
def clock(tmp_path: Path) -> SteppedClock:
    return SteppedClock(tmp_path)


@pytest.fixture
def start(make_site: MakeSite, clock: SteppedClock) -> Iterator[Start]:
    """Start a daemon that goes by the clock, over the same site each time."""
    site = make_site()
    with_socket(site)
    with ExitStack() as running:

        def started() -> RunningSite:
            daemon = running.enter_context(Daemon(site, environment=clock.environment))
            return RunningSite(site, daemon.wait_until_ready())

        yield started


def socket_of(site: RunningSite) -> Path:
    return site.site.directory / "o"


def test_ten_minutes_forward_sessions_and_challenges_are_over_and_new_ones_are_served(
    start: Start, clock: SteppedClock
) -> None:
    site = start()
    workers = site.daemon.workers
    with site.caller() as caller:
        session = open_channel(caller, AES128, AES128.card())
        presented_before = presented(caller, AES128, AES128.card())
        used = presented(caller, AES128, AES128.card())
        assert caller.post(SESSIONS, session_request(used)).status == 200

        clock.set_off(TEN_MINUTES)

        expired = caller.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]})
        assert (expired.status, expired.code) == (410, "session-expired")
        for card in (presented_before, used):
            too_late = caller.post(SESSIONS, session_request(card))
            assert (too_late.status, too_late.code) == (422, "challenge-not-issued")
        assert open_channel(caller, AES128, AES128.card())
    assert site.daemon.workers == workers, "nobody was taken for silent"
    assert "no word from the worker" not in site.daemon.log
    assert site.daemon.stop() == 0
    assert verify(site.site.audit_file).clean


def test_a_key_version_becomes_active_at_its_date_without_a_reload(
    make_site: MakeSite, clock: SteppedClock
) -> None:
    date = datetime.now(UTC) + timedelta(seconds=TEN_MINUTES / 2)
    versions = f'{{1 = "active", 2 = {{active_from = {date.isoformat()}}}}}'
    site = make_site((AES128, replace(DATED, versions=versions)))
    with Daemon(site, environment=clock.environment) as daemon:
        running = RunningSite(site, daemon.wait_until_ready())
        moved = replace(DATED, key_version=2)

        def answers(caller: Caller) -> list[object]:
            """Return which version is newest, and what becomes of a card that has the next."""
            old, new = (
                caller.post(SESSIONS, session_request(presented(caller, batch, batch.card())))
                for batch in (DATED, moved)
            )
            return [old.document["newest_key_version"], new.document.get("key_version", new.code)]

        with running.caller() as caller:
            assert answers(caller) == [1, "key-version-not-yet-active"]
            clock.set_off(TEN_MINUTES)
            assert answers(caller) == [2, 2]
        assert daemon.stop() == 0


def test_steps_fire_no_deadline_and_fill_no_budget(start: Start, clock: SteppedClock) -> None:
    site = start()
    workers = site.daemon.workers
    with site.caller() as caller:
        for offset in range(0, 20 * TEN_MINUTES, TEN_MINUTES):
            clock.set_off(offset)
            assert caller.post(RANDOM, {"length": 1}).status == 200
    assert site.daemon.workers == workers
    assert site.daemon.stop() == 0
    assert verify(site.site.audit_file).clean


def test_a_clock_behind_the_last_record_is_a_503_and_work_resumes_when_it_has_caught_up(
    start: Start, clock: SteppedClock
) -> None:
    clock.set_off(TEN_MINUTES)
    site = start()
    with site.caller() as caller:
        session = open_channel(caller, AES128, AES128.card())
        card = presented(caller, AES128, AES128.card())
        clock.set_off(0)

        status, answer = ask(socket_of(site), "/ready")
        assert (status, answer["ready"]) == (503, False), "before anybody has asked"
        assert "the clock is behind the last record" in answer["obstacles"][0]
        for url, body in (
            (RANDOM, {"length": 1}),
            (CHALLENGES, {"length": 8}),
            (WRAP, {"session": session, "apdus": [get_data(0x9F7F)]}),
            (SESSIONS, session_request(card)),
        ):
            refused = caller.post(url, body)
            assert (refused.status, refused.code) == (503, "clock-unreliable")
        state = ask(socket_of(site), "/state")[1]
        assert "set it right, or wait until it has caught up" in state["audit"]["fault"]
        assert site.daemon.log.count("the clock is behind the last record") == 1

        clock.set_off(TEN_MINUTES)

        assert caller.post(RANDOM, {"length": 1}).status == 200
        assert ask(socket_of(site), "/ready")[0] == 200
        opened = caller.post(SESSIONS, session_request(card))
        assert opened.status == 200, "the challenge was not used up meanwhile"
    assert site.daemon.stop() == 0
    (account,) = [
        record.decision
        for record in site.trail.records
        if record.decision.operation == "records-discarded"
    ]
    assert (account.details, account.receipts) == ({"count": 4}, ())
    assert verify(site.site.audit_file).clean


def test_a_clock_that_has_caught_up_is_noticed_without_a_request(
    start: Start, clock: SteppedClock
) -> None:
    clock.set_off(TEN_MINUTES)
    site = start()
    with site.caller() as caller:
        clock.set_off(0)
        assert caller.post(RANDOM, {"length": 1}).code == "clock-unreliable"
        clock.set_off(TEN_MINUTES)

        wait_until(lambda: ask(socket_of(site), "/ready")[0] == 200)

        assert caller.post(RANDOM, {"length": 1}).status == 200
    assert site.daemon.stop() == 0


def test_a_step_back_of_less_than_a_second_is_bridged(start: Start, clock: SteppedClock) -> None:
    clock.set_off(TEN_MINUTES)
    site = start()
    with site.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).status == 200
        clock.set_off(TEN_MINUTES - 0.5)

        assert caller.post(RANDOM, {"length": 1}).status == 200
        assert ask(socket_of(site), "/ready")[0] == 200
    assert site.daemon.stop() == 0
    times = [record.time for record in site.trail.records]
    assert all(before <= after for before, after in pairwise(times))
    assert verify(site.site.audit_file).clean


def test_a_daemon_does_not_start_behind_the_last_record_and_says_what_to_do(
    start: Start, clock: SteppedClock
) -> None:
    clock.set_off(TEN_MINUTES)
    site = start()
    assert site.daemon.stop() == 0
    before = site.site.audit_file.read_bytes()
    clock.set_off(0)

    reason = refuses_to_start(site.site, environment=clock.environment)

    assert reason.startswith("the clock is behind the last record, of 20")
    assert "set it right, or wait until it has caught up" in reason
    assert site.site.audit_file.read_bytes() == before
    clock.set_off(TEN_MINUTES)
    again = start()
    with again.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).status == 200
    assert again.daemon.stop() == 0
    assert verify(site.site.audit_file).clean


def test_a_challenge_that_was_used_is_not_good_again_whichever_way_the_clock_goes(
    start: Start, clock: SteppedClock
) -> None:
    site = start()
    with site.caller() as caller:
        used = session_request(presented(caller, AES128, AES128.card()))
        assert caller.post(SESSIONS, used).status == 200
        clock.set_off(TEN_MINUTES)
        open_channel(caller, AES128, AES128.card())  # sweeps what has expired
        clock.set_off(0)

        assert caller.post(SESSIONS, used).code == "clock-unreliable"
        clock.set_off(TEN_MINUTES - 0.5)
        assert caller.post(SESSIONS, used).code == "challenge-not-issued"
    assert site.daemon.stop() == 0


def test_a_clock_that_was_ahead_makes_no_card_wait_longer_than_its_failures_call_for(
    start: Start, clock: SteppedClock
) -> None:
    card = AES128.card()
    clock.set_off(100 * TEN_MINUTES)
    site = start()
    with site.caller() as caller:
        judged = caller.post(VERIFY, {"card": forged(caller, AES128, card)})
        assert judged.document == {"valid": False}
    assert site.daemon.stop() == 0
    # What docs/operations.md says to do about a record from the future.
    site.site.audit_file.rename(site.site.audit_file.with_suffix(".future"))
    clock.set_off(0)
    again = start()
    with again.caller() as caller:

        def answer() -> str | None:
            return caller.post(VERIFY, {"card": presented(caller, AES128, card)}).code

        assert answer() == "backing-off"
        wait_until(lambda: answer() is None)
    assert again.daemon.stop() == 0
