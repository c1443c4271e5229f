"""A ceremony that is killed anywhere, once or twice, comes to the same end when it is resumed."""

import json
import subprocess
import sys

from tests.ceremony.every_step import CEREMONIES
from tmsd.ceremony.all_steps import STEPS


def test_there_is_a_ceremony_with_each_kind_of_step() -> None:
    scripts = "".join(step for ceremony in CEREMONIES for step in ceremony.steps)

    assert {kind for kind in STEPS if f'do = "{kind}"' in scripts} == set(STEPS)


def test_each_comes_to_the_end_that_it_has_without_an_interruption() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.ceremony.killed"], check=True, capture_output=True
    )
    outcomes = [json.loads(line) for line in told.stdout.splitlines()]

    assert [each for each in outcomes if each["wrong"]] == []
    for ceremony in CEREMONIES:
        killed = [each["killed"] for each in outcomes if each["ceremony"] == ceremony.name]
        assert min(killed) >= 1
        assert max(killed) == 2
