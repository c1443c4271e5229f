"""A ceremony that is killed at any line of its minutes comes to its end when it is resumed."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tmsd.ceremony.minutes import Event


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What came of ceremonies that were killed, each at another place."""
    folder = tmp_path_factory.mktemp("killed")
    told = subprocess.run(
        [sys.executable, "-m", "tests.ceremony.killed", str(folder)],
        check=True,
        capture_output=True,
    )
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_it_was_killed_before_every_event_and_as_each_step_began(
    outcomes: list[dict[str, Any]],
) -> None:
    before = [each["at"] for each in outcomes if not each["begun"]]
    begun = [each["at"] for each in outcomes if each["begun"]]

    assert len(before) > 2 * len(Event)
    assert begun == [1, 2, 3]


def test_it_came_to_its_end_all_the_same(outcomes: list[dict[str, Any]]) -> None:
    for each in outcomes:
        assert each["status"] == 0, each
        assert each["faults"] == [], each
        assert each["steps"] == 3, each
        assert each["signed_by"] == ["anna", "berta", "carl"], each


def test_each_key_is_there_once(outcomes: list[dict[str, Any]]) -> None:
    for each in outcomes:
        assert each["keys"] == [1, 1], each
