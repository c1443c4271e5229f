"""Tickets are remembered for as long as they could be used again, and no longer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.errors import Code, ServiceError
from tmsd.tks import used_challenges
from tmsd.tks.used_challenges import UsedChallenges

A_MINUTE = 60.0


@given(tickets=st.lists(st.binary(min_size=1, max_size=64)))
def test_each_ticket_is_used_once(tickets: list[bytes]) -> None:
    used = UsedChallenges(A_MINUTE)
    seen = set()

    for ticket in tickets:
        if ticket in seen:
            with pytest.raises(ServiceError) as refused:
                used.use(ticket)
            assert refused.value.code is Code.CHALLENGE_USED
            assert refused.value.pointer == "/card/challenge"
        else:
            used.use(ticket)
            seen.add(ticket)


def test_a_ticket_that_has_expired_by_itself_is_forgotten() -> None:
    used = UsedChallenges(remember_seconds=0.05)
    used.use(b"ticket")

    time.sleep(0.06)

    used.use(b"ticket")


def test_when_no_more_can_be_remembered_none_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_challenges, "MAX_REMEMBERED", 2)
    used = UsedChallenges(A_MINUTE)
    used.use(b"one")
    used.use(b"two")

    with pytest.raises(ServiceError) as refused:
        used.use(b"three")

    assert refused.value.code is Code.OVERLOADED
    with pytest.raises(ServiceError) as repeated:
        used.use(b"one")
    assert repeated.value.code is Code.CHALLENGE_USED


def test_room_comes_back_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_challenges, "MAX_REMEMBERED", 1)
    used = UsedChallenges(remember_seconds=0.05)
    used.use(b"one")

    time.sleep(0.06)

    used.use(b"two")
