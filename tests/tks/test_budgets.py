"""What a caller may spend: requests by the second, failed cards by the minute, nobody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.config.callers import Caller, Role
from tmsd.errors import Code, ServiceError
from tmsd.tks.budgets import Budgets


def caller(name: str = "tps", **limits: float) -> Caller:
    return Caller.model_validate(
        {"name": name, "public_key_sha256": "a" * 64, "roles": (Role.TPS,), **limits}
    )


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def spend(budgets: Budgets, whose: Caller) -> float:
    """Return in how many seconds a request is admitted; 0 where it was."""
    try:
        budgets.spend_request(whose)
    except ServiceError as refusal:
        return (refusal.retry_after or 0.0) if refusal.code is Code.RATE_LIMITED else -1.0
    return 0.0


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    clock = Clock()
    budgets, tps = Budgets(clock), caller(requests_per_second=10, burst=5)

    assert [spend(budgets, tps) for _ in range(5)] == [0] * 5
    assert spend(budgets, tps) == pytest.approx(0.1)
    clock.now += 0.1001
    assert spend(budgets, tps) == 0
    assert spend(budgets, tps) > 0


@given(pauses=st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_never_more_is_admitted_than_burst_and_rate_allow(pauses: list[float]) -> None:
    clock = Clock()
    budgets, tps = Budgets(clock), caller(requests_per_second=2, burst=3)
    admitted = 0
    for pause in pauses:
        clock.now += pause
        admitted += spend(budgets, tps) == 0

    assert admitted <= 3 + 2 * clock.now + 1e-6


def test_what_one_caller_spends_is_no_others() -> None:
    budgets = Budgets(Clock())
    flooding, modest = (caller(name, requests_per_second=1, burst=1) for name in ("a", "b"))
    assert spend(budgets, flooding) == 0
    assert spend(budgets, flooding) > 0

    assert spend(budgets, modest) == 0


def test_failed_cards_have_a_budget_of_their_own() -> None:
    clock = Clock()
    budgets, tps = Budgets(clock), caller(failures_per_minute=2)
    for _ in range(2):
        budgets.require_failures_left(tps)
        budgets.spend_failure(tps)
    with pytest.raises(ServiceError) as refused:
        budgets.require_failures_left(tps)
    assert refused.value.code is Code.RATE_LIMITED
    assert spend(budgets, tps) == 0

    clock.now += 31
    budgets.require_failures_left(tps)


def test_a_policy_that_changed_is_gone_by_at_once() -> None:
    budgets = Budgets(Clock())
    spend(budgets, caller(requests_per_second=1, burst=1))

    assert spend(budgets, caller(requests_per_second=1, burst=2)) == 0
