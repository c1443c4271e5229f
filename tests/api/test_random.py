"""Random bytes of the HSM: POST /v1/tks/random."""

import pytest

from tests.site.caller import Caller
from tests.site.channels import RANDOM


@pytest.mark.parametrize("length", [1, 2, 16, 1023, 1024])
def test_as_many_bytes_come_as_were_asked_for(tps: Caller, length: int) -> None:
    made = tps.post(RANDOM, {"length": length})

    assert len(bytes.fromhex(made.document["random"])) == length


@pytest.mark.parametrize("length", [0, -1, 1025, 2**70, 1.5, "16", True, None, [16]])
def test_1_to_1024_bytes_may_be_asked_for(tps: Caller, length: object) -> None:
    refused = tps.post(RANDOM, {"length": length})

    assert (refused.code, refused.pointer) == ("request-invalid", "/length")


def test_no_answer_is_like_another(tps: Caller) -> None:
    answers = [tps.post(RANDOM, {"length": 32}).document["random"] for _ in range(50)]

    assert len(set(answers)) == len(answers)
