"""A thousand malformed bodies: each gets a clear refusal, and the next request is served."""

import pytest

from tests.site.caller import Caller
from tests.site.certificates import at
from tests.site.channels import RANDOM
from tests.site.malformations import malformed_bodies
from tests.site.well_formed import BODIES
from tmsd.api.all_routes import ROUTES

EACH_TIME = 100
BODIES_IN_ALL = malformed_bodies(1000)


@pytest.mark.parametrize("first", range(0, 1000, EACH_TIME))
def test_a_malformed_body_is_refused_in_words_and_the_next_request_is_served(
    tps: Caller, first: int
) -> None:
    for body in BODIES_IN_ALL[first : first + EACH_TIME]:
        refused = tps.send("POST", body.path, body.content)
        served = tps.post(RANDOM, {"length": 1})

        assert (refused.status, refused.code) == (400, "request-invalid"), str(body)
        assert 0 < len(refused.detail) < 1000, str(body)
        assert "Traceback" not in refused.detail
        assert served.status == 200, str(body)


def test_there_are_a_thousand_for_every_call_that_takes_a_body_and_no_two_are_alike() -> None:
    assert len({(body.path, body.content) for body in BODIES_IN_ALL}) == 1000
    assert {body.path for body in BODIES_IN_ALL} == {
        at(path) for (_, path), body in BODIES.items() if body is not None
    }


def test_there_is_a_well_formed_request_for_each_call() -> None:
    assert set(BODIES) == {(route.method.lower(), route.path) for route in ROUTES}
