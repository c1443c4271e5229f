"""Random bytes of a challenge's length count as an issued challenge, which is used once."""

from collections.abc import Iterator

import pytest

from tests.dogtag.cards import RANDOM, SESSION, factory_card, issued_challenge, presented
from tests.dogtag.conftest import RunningDogtagSite
from tests.site.dogtag_site import OTHER, WINDOWED, Tps


@pytest.fixture
def tps(tks: RunningDogtagSite) -> Iterator[Tps]:
    with Tps(tks.dogtag, WINDOWED) as opened:
        yield opened


def test_a_challenge_is_known_again_and_used_once(tks: RunningDogtagSite, tps: Tps) -> None:
    shown = presented(factory_card(), issued_challenge(tps))

    first = tps.ask(SESSION, shown.session)
    second = tps.ask(SESSION, shown.session)

    assert first.fields["status"] == b"0"
    assert second.body == b"status=1"
    (allowed,) = tks.trail.of_request(first.request_id or "")
    (refused,) = tks.trail.of_request(second.request_id or "")
    assert allowed.decision.details["challenge_issued"] is True
    assert refused.decision.code == "challenge-used"


def test_a_challenge_that_a_wrong_cryptogram_answered_is_used(tps: Tps) -> None:
    card, challenge = factory_card(), issued_challenge(tps)
    assert tps.ask(SESSION, presented(card, challenge).forged).body == b"status=5"

    another = presented(factory_card(), challenge)

    assert tps.ask(SESSION, another.session).body == b"status=1"


def test_a_challenge_of_another_caller_is_none(tks: RunningDogtagSite, tps: Tps) -> None:
    challenge = issued_challenge(tps)
    with Tps(tks.dogtag, OTHER) as other:
        answer = other.ask(SESSION, presented(factory_card(), challenge).session)

    # The key set of the recordings takes challenges from elsewhere, and so this one.
    (allowed,) = tks.trail.of_request(answer.request_id or "")
    assert allowed.decision.details["challenge_issued"] is False
    assert tps.ask(SESSION, presented(factory_card(), challenge).session).fields["status"] == b"0"


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 1024])
def test_random_bytes_have_the_wanted_length_and_are_not_those_of_before(
    tps: Tps, length: int
) -> None:
    made = [tps.ask(RANDOM, f"dataNumBytes={length}").fields["randomData"] for _ in range(2)]

    assert [len(each) for each in made] == [length, length]
    assert length == 1 or made[0] != made[1]


@pytest.mark.parametrize("length", ["1025", "-1", "16 ", "1e3"])
def test_another_length_is_status_1(tps: Tps, length: str) -> None:
    answer = tps.ask(RANDOM, f"dataNumBytes={length}")
    assert (answer.http_status, answer.body) == (200, b"status=1")
