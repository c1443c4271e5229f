"""The worker answers exactly the requests of the security boundary."""

import re
from typing import get_args

import pytest

from tmsd.vault import messages
from tmsd.worker.answers import ANSWERS
from tmsd.worker.context import Context

REQUESTS = get_args(messages.AnyRequest)


def test_no_request_is_without_an_answer_and_no_answer_without_a_request() -> None:
    assert ANSWERS.keys() == set(REQUESTS)
    assert len(set(ANSWERS.values())) == len(REQUESTS)


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda request: request.__name__)
def test_the_function_that_answers_a_request_has_its_name(
    request_type: type[messages.AnyRequest],
) -> None:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", request_type.__name__).lower()
    function = ANSWERS[request_type]

    assert function.__name__ == name
    assert function.__annotations__["request"] is request_type
    assert function.__annotations__["return"] is request_type.ANSWER
    assert function.__annotations__["context"] is Context
