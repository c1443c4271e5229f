"""Limits: cards that fail wait, callers that ask too much wait, and nobody else does."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest

from tests.site.batches import AES128
from tests.site.caller import Caller, connected
from tests.site.channels import RANDOM, SESSIONS, VERIFY, forged, presented, session_request
from tests.site.directory import HOST
from tests.site.fixtures import Run, RunningSite
from tests.site.identities import BRANCH, TPS
from tmsd.errors import Code


@pytest.mark.parametrize("path", [SESSIONS, VERIFY])
def test_a_card_that_fails_waits_for_its_caller_and_for_no_other(
    site: RunningSite, tps: Caller, branch: Caller, path: str
) -> None:
    card = AES128.card()
    body = {"card": forged(tps, AES128, card)} | (
        {"security_level": "03"} if path == SESSIONS else {}
    )
    failed = tps.post(path, body)

    refused = tps.post(SESSIONS, session_request(presented(tps, AES128, card)))
    other = branch.post(SESSIONS, session_request(presented(branch, AES128, card)))

    assert failed.code == "card-cryptogram-mismatch" or failed.document == {"valid": False}
    assert (refused.status, refused.code, refused.pointer) == (429, "backing-off", "/card")
    assert refused.headers["retry-after"] == "1"
    assert other.status == 200
    decision = site.trail.of_request(refused.request_id)[-1].decision
    assert decision.diversification_data == card.profile.kdd.hex()


def test_a_refusal_to_look_at_the_card_does_not_use_its_challenge_up(tps: Caller) -> None:
    card = AES128.card()
    tps.post(VERIFY, {"card": forged(tps, AES128, card)})
    body = session_request(presented(tps, AES128, card))

    while (answer := tps.post(SESSIONS, body)).status == 429:
        assert answer.code == "backing-off"

    assert answer.status == 200


@pytest.fixture
def limited(run: Run) -> Iterator[RunningSite]:
    """A site whose caller `tps-demo` may ask little."""
    site = run(of_callers={TPS: "requests_per_second = 0.5\nburst = 3\nfailures_per_minute = 2"})
    yield site
    assert site.daemon.stop() == 0


def test_a_caller_that_asks_too_often_waits_and_no_other_does(limited: RunningSite) -> None:
    with limited.caller(BRANCH) as branch, limited.caller(TPS) as tps:
        answers = [tps.post(RANDOM, {"length": 1}) for _ in range(5)]
        refused = answers[-1]

        assert answers[0].status == 200
        assert (refused.status, refused.code) == (429, "rate-limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert refused.document["next"] == "retry"
        assert branch.post(RANDOM, {"length": 1}).status == 200


def test_who_asks_on_regardless_is_not_even_refused_for_a_while(limited: RunningSite) -> None:
    content = b'{"length": 1}'
    head = f"Host: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    request = f"POST {RANDOM} HTTP/1.1\r\n{head}\r\n\r\n".encode() + content
    with connected(limited.site, TPS) as flooding:
        flooding.sendall(request * 100)
        received = b""
        while b" 429 " not in received:
            received += flooding.recv(65536)
        with limited.caller(BRANCH) as branch:
            answers = [branch.post(RANDOM, {"length": 1}).status for _ in range(20)]
        codes = [record.decision.code for record in limited.trail.records]

    assert answers == [200] * 20
    assert 1 <= codes.count(Code.RATE_LIMITED) < 10


def test_of_forgeries_of_a_card_at_one_moment_one_is_looked_at(site: RunningSite) -> None:
    card = AES128.card()
    moment = Barrier(8)

    def verified(_number: int) -> str | None:
        with site.caller() as tps:
            body = {"card": forged(tps, AES128, card)}
            moment.wait()
            return tps.post(VERIFY, body).code

    with ThreadPoolExecutor(moment.parties) as threads:
        codes = list(threads.map(verified, range(moment.parties)))

    assert codes.count(None) == 1
    assert codes.count("backing-off") == 7


def test_a_card_that_fails_with_several_callers_raises_an_alert(
    site: RunningSite, tps: Caller, branch: Caller
) -> None:
    card = AES128.card()
    first = tps.post(VERIFY, {"card": forged(tps, AES128, card)})
    second = branch.post(VERIFY, {"card": forged(branch, AES128, card)})

    alert = f"card {card.profile.kdd.hex()} of key set aes128 fails with several callers"
    assert f"{alert}: {BRANCH}, {TPS}" in site.daemon.log
    (quiet,) = (record.decision for record in site.trail.of_request(first.request_id))
    (alarming,) = (record.decision for record in site.trail.of_request(second.request_id))
    assert "fails_with_callers" not in quiet.details
    assert alarming.details["fails_with_callers"] == 2


def test_back_off_and_used_challenges_outlive_a_restart(run: Run) -> None:
    site = run()
    with site.caller(TPS) as tps:
        card = AES128.card()
        used = session_request(presented(tps, AES128, AES128.card()))
        assert tps.post(SESSIONS, used).status == 200
        assert tps.post(VERIFY, {"card": forged(tps, AES128, card)}).status == 200
    assert site.daemon.stop() == 0
    # As if it had failed nine times, so that no start takes as long as the wait.
    with closing(sqlite3.connect(site.site.directory / "store.db")) as database, database:
        database.execute("UPDATE card_failures SET failures = 9, until_ms = until_ms + 255000")
    with site.restarted() as after, after.caller(TPS) as tps:
        waits = tps.post(SESSIONS, session_request(presented(tps, AES128, card)))
        again = tps.post(SESSIONS, used)

        assert waits.code == "backing-off"
        assert again.code == "challenge-used"
