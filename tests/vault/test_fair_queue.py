"""Callers take turns, and none of them can keep the others out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.vault.fair_queue import FairQueue, QueueFull, QueueLimits

LARGE = QueueLimits(per_caller=1000, total=1000)
names = st.sampled_from(["one", "two", "three"])


def test_one_callers_items_come_in_their_order() -> None:
    queue: FairQueue[int] = FairQueue(LARGE)
    for number in range(5):
        queue.put("one", number)

    assert list(queue.drain()) == [0, 1, 2, 3, 4]


def test_a_caller_with_one_item_waits_for_one_of_every_other() -> None:
    queue: FairQueue[str] = FairQueue(LARGE)
    for number in range(100):
        queue.put("flooding", f"flood {number}")
    queue.put("modest", "one question")

    assert queue.take() == "flood 0"
    assert queue.take() == "one question"


@given(puts=st.lists(names, max_size=60))
def test_everybody_who_waits_is_served_once_in_each_round(puts: list[str]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(LARGE)
    for number, name in enumerate(puts):
        queue.put(name, (name, number))
    waiting = {name: puts.count(name) for name in set(puts)}

    taken = list(queue.drain())

    assert sorted(taken) == sorted((name, number) for number, name in enumerate(puts))
    at = 0
    while any(waiting.values()):
        due = {name for name, count in waiting.items() if count}
        assert {name for name, _ in taken[at : at + len(due)]} == due
        at += len(due)
        waiting = {name: count - (name in due) for name, count in waiting.items()}


def test_more_than_its_share_is_refused_to_one_caller_alone() -> None:
    queue: FairQueue[int] = FairQueue(QueueLimits(per_caller=2, total=10))
    queue.put("one", 1)
    queue.put("one", 2)

    with pytest.raises(QueueFull):
        queue.put("one", 3)
    queue.put("two", 4)
    assert len(queue) == 3


def test_more_than_all_may_wait_is_refused_to_everybody() -> None:
    queue: FairQueue[int] = FairQueue(QueueLimits(per_caller=2, total=2))
    queue.put("one", 1)
    queue.put("two", 2)

    with pytest.raises(QueueFull):
        queue.put("three", 3)


def test_what_is_put_back_is_next_and_needs_no_room() -> None:
    queue: FairQueue[int] = FairQueue(QueueLimits(per_caller=1, total=2))
    queue.put("one", 1)
    queue.put("two", 2)
    taken = queue.take()
    queue.put("three", 3)

    queue.put_back("one", taken)

    assert list(queue.drain()) == [1, 2, 3]


def test_what_need_not_wait_any_more_makes_room() -> None:
    queue: FairQueue[int] = FairQueue(QueueLimits(per_caller=1, total=1))
    queue.put("one", 1)

    assert queue.remove("one", 1)
    assert not queue.remove("one", 1)
    queue.put("two", 2)
    assert list(queue.drain()) == [2]
    with pytest.raises(IndexError):
        queue.take()
