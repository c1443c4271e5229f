"""Requests that no TPS sends: each is answered, within bounds, and the next one is served."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dogtag.cards import RANDOM, SESSION, factory_card, issued_challenge, presented
from tests.dogtag.conftest import RunningDogtagSite
from tests.dogtag.exchanges import EXCHANGES
from tests.site.dogtag_site import FORM, WINDOWED, Answered, Tps
from tmsd.dogtag.parameters import MAX_BODY

BODIES = [exchange.request_body.encode() for exchange in EXCHANGES.values()]
STATUSES = {b"status=1", b"status=3", b"status=5", b""}


@pytest.fixture
def tps(tks: RunningDogtagSite) -> Iterator[Tps]:
    with Tps(tks.dogtag, WINDOWED) as opened:
        yield opened
        assert opened.ask(RANDOM, "dataNumBytes=8").fields["status"] == b"0"


def is_page(answer: Answered) -> bool:
    return (
        answer.http_status == 200
        and answer.content_type == "text/html"
        and answer.body.startswith(b"<!DOCTYPE html>")
    )


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    body = bytearray(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body) - 1))
        body[at : at + draw(st.integers(0, 5))] = draw(st.binary(max_size=5))
        body = body or bytearray(b"&")
    return bytes(body)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(damaged(), st.binary(max_size=500)))
def test_any_body_is_answered_as_dogtag_could(tps: Tps, body: bytes) -> None:
    answer = tps.ask(SESSION, body)

    assert is_page(answer) or answer.body in STATUSES or answer.body.startswith(b"status=0&")
    assert answer.http_status in (200, 503)


def test_a_body_that_is_too_long_is_refused(tps: Tps) -> None:
    longest = "dataNumBytes=0&".ljust(MAX_BODY, "x")
    assert tps.ask(RANDOM, longest).body == b"status=0&randomData="

    refused = tps.ask(RANDOM, f"{longest}x")

    assert (refused.http_status, refused.body) == (413, b"status=1")


def test_no_number_of_parameters_hides_the_first(tps: Tps) -> None:
    many = "dataNumBytes=0&" + "dataNumBytes=8&a&" * 900
    assert tps.ask(RANDOM, many).body == b"status=0&randomData="


def test_what_is_no_form_has_no_parameters(tps: Tps) -> None:
    for content_type in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
        assert is_page(tps.ask(RANDOM, "dataNumBytes=8", content_type))
    assert tps.ask(RANDOM, "dataNumBytes=0", f"{FORM}; charset=UTF-8").fields["status"] == b"0"


def test_other_methods_and_paths_are_answered_nothing(tps: Tps) -> None:
    assert [
        (answer.http_status, answer.body)
        for answer in (
            tps.send("GET", f"{RANDOM}?dataNumBytes=8"),
            tps.send("PUT", RANDOM, b"dataNumBytes=8"),
            tps.send("POST", "/tks/agent/tks/", b"dataNumBytes=8"),
            tps.send("POST", "/v1/tks/random", b'{"length": 8}'),
        )
    ] == [(405, b""), (405, b""), (404, b""), (404, b"")]


def test_a_card_that_failed_has_to_wait(tps: Tps) -> None:
    card = factory_card()
    assert tps.ask(SESSION, presented(card, issued_challenge(tps)).forged).body == b"status=5"

    soon = tps.ask(SESSION, presented(card, issued_challenge(tps)).session)

    assert (soon.http_status, soon.body) == (200, b"status=1")
