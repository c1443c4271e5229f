"""Session keys that nothing proved: so many of each card in a minute, and of so many cards."""

from secrets import token_bytes

import pytest

from tmsd.errors import Code, ServiceError
from tmsd.tks import unverified_keys
from tmsd.tks.unverified_keys import UnverifiedKeys

CARD, OTHER_CARD = b"card", b"other card"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def refusal(keys: UnverifiedKeys, caller: str, card: bytes, per_minute: int = 2) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        keys.spend(caller, card, per_minute)
    assert refused.value.code is Code.RATE_LIMITED
    return refused.value


def test_each_card_of_each_caller_has_its_own() -> None:
    keys = UnverifiedKeys(Clock())
    for caller, card in (("a", CARD), ("a", OTHER_CARD), ("b", CARD)):
        keys.spend(caller, card, 2)
        keys.spend(caller, card, 2)
        refusal(keys, caller, card)


def test_they_come_back_one_by_one() -> None:
    clock = Clock()
    keys = UnverifiedKeys(clock)
    keys.spend("a", CARD, 2)
    keys.spend("a", CARD, 2)
    assert refusal(keys, "a", CARD).retry_after == pytest.approx(30)

    clock.seconds = 31
    keys.spend("a", CARD, 2)

    assert refusal(keys, "a", CARD).retry_after == pytest.approx(29)


def test_another_limit_of_the_policy_holds_at_once() -> None:
    keys = UnverifiedKeys(Clock())
    keys.spend("a", CARD, 1)
    refusal(keys, "a", CARD, 1)

    keys.spend("a", CARD, 3)


def test_who_invents_cards_has_to_wait_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unverified_keys, "MAX_OF_CALLER", 3)
    clock = Clock()
    keys = UnverifiedKeys(clock)
    for _ in range(3):
        keys.spend("a", token_bytes(20), 2)

    assert refusal(keys, "a", CARD).retry_after == pytest.approx(30)
    keys.spend("b", CARD, 2)

    clock.seconds = 31
    keys.spend("a", CARD, 2)


def test_a_card_that_waits_is_not_forgotten_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unverified_keys, "MAX_OF_CALLER", 2)
    clock = Clock()
    keys = UnverifiedKeys(clock)
    keys.spend("a", CARD, 1)
    clock.seconds = 50
    keys.spend("a", OTHER_CARD, 1)
    keys.spend("b", CARD, 1)

    clock.seconds = 59
    refusal(keys, "a", b"third", 1)
    refusal(keys, "a", CARD, 1)

    clock.seconds = 61
    keys.spend("a", b"third", 1)
    refusal(keys, "a", OTHER_CARD, 1)
