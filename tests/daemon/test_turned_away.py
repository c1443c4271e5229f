"""Telling of connections that were turned away: the first at once, and many in a line."""

import pytest

from tmsd.daemon.turned_away import TurnedAway


async def test_the_first_is_told_at_once_and_those_of_a_minute_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = TurnedAway()

    told.because("too slow", "192.0.2.1")
    for _ in range(1000):
        told.because("too slow", "192.0.2.2")
    told.because("too many")
    assert caplog.messages == ["a connection from 192.0.2.1 was turned away: too slow"]

    told._sum_up()  # as happens when the minute is over
    assert caplog.messages[1:] == [
        "within 60 s further connections were turned away: 1000 times too slow, 1 times too many"
    ]
    told._sum_up()
    assert len(caplog.messages) == 2


async def test_however_many_reasons_there_are_the_line_stays_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = TurnedAway()
    for number in range(1001):
        told.because(f"the key {number} has too many")

    told._sum_up()

    assert caplog.messages[1].endswith("984 times further reasons")
    assert len(caplog.messages[1]) < 1000
