"""Limits: cards that fail wait, callers that ask too much wait, and nobody else does."""

from collections.abc import Iterator

import pytest

from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.channels import RANDOM, SESSIONS, VERIFY, presented, session_request
from tests.site.fixtures import Run, RunningSite
from tests.site.identities import BRANCH, TPS
from tests.virtual_token.card import Card


def wrong(caller: Caller, card: Card) -> dict[str, object]:
    """Return what a forged card presents, which has another's number and not its keys."""
    answer = presented(caller, AES128, card)
    forged = bytearray.fromhex(answer["initialize_update"])
    forged[21] ^= 1  # the cryptogram's first byte
    return answer | {"initialize_update": forged.hex()}


@pytest.mark.parametrize("path", [SESSIONS, VERIFY])
def test_a_card_that_fails_waits_for_its_caller_and_for_no_other(
    site: RunningSite, tps: Caller, branch: Caller, path: str
) -> None:
    card = AES128.card()
    body = {"card": wrong(tps, card)} | ({"security_level": "03"} if path == SESSIONS else {})
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
    tps.post(VERIFY, {"card": wrong(tps, card)})
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
        answers = [tps.post(RANDOM, {"length": 1}) for _ in range(8)]
        refused = answers[-1]

        assert answers[0].status == 200
        assert (refused.status, refused.code) == (429, "rate-limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert refused.document["next"] == "retry"
        assert branch.post(RANDOM, {"length": 1}).status == 200


def test_back_off_and_used_challenges_outlive_a_restart(run: Run) -> None:
    site = run()
    with site.caller(TPS) as tps:
        card = AES128.card()
        used = session_request(presented(tps, AES128, AES128.card()))
        assert tps.post(SESSIONS, used).status == 200
        for _ in range(4):
            while tps.post(VERIFY, {"card": wrong(tps, card)}).status == 429:
                pass
    assert site.daemon.stop() == 0
    with site.restarted() as after, after.caller(TPS) as tps:
        waits = tps.post(SESSIONS, session_request(presented(tps, AES128, card)))
        again = tps.post(SESSIONS, used)

        assert waits.code == "backing-off"
        assert again.code == "challenge-used"
