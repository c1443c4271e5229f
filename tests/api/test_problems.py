"""Problem documents (RFC 9457): what every refusal looks like."""

import json
from pathlib import Path

import pytest

from tests.site.caller import Caller
from tests.site.channels import CHALLENGES, KEY_SETS, RANDOM
from tests.site.fixtures import RunningSite
from tmsd.api.problems import KINDS, Next, problem_response
from tmsd.errors import Code, ServiceError

API_MANUAL = Path(__file__).parents[2] / "docs" / "api.md"

each_code = pytest.mark.parametrize("code", Code)


def test_a_refusal_is_a_problem_document_with_every_field(tps: Caller) -> None:
    refused = tps.post(RANDOM, {"length": 0})

    assert refused.status == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.document == {
        "type": "urn:tmsd:problem:request-invalid",
        "title": "The request is not valid",
        "status": 400,
        "detail": "length: input should be greater than or equal to 1",
        "pointer": "/length",
        "request_id": refused.headers["x-request-id"],
        "next": "correct-request",
    }


def test_every_answer_has_a_request_id_of_its_own(tps: Caller) -> None:
    answers = [
        tps.post(CHALLENGES, {"length": 8}),
        tps.post(CHALLENGES, {"length": 9}),
        tps.get(KEY_SETS),
        tps.get("/nothing"),
        tps.get(CHALLENGES),
    ]

    assert len({answer.request_id for answer in answers}) == len(answers)


def test_the_request_id_leads_to_the_audit_record(site: RunningSite, tps: Caller) -> None:
    refused = tps.post(RANDOM, {"length": 0})

    (record,) = site.trail.of_request(refused.document["request_id"])
    assert record.decision.operation == "tks.random"
    assert record.decision.caller == "tps-demo"
    assert record.decision.code == "request-invalid"


def test_a_path_that_does_not_exist_is_a_problem(tps: Caller) -> None:
    for path in ("/", "/v1", "/v2/tks/random", "/v1/tks/random/", "/v1/tks/../tks/random"):
        refused = tps.get(path)
        assert (refused.status, refused.code) == (404, "not-found")


def test_the_detail_of_a_path_stays_short(tps: Caller) -> None:
    refused = tps.get("/" + "a" * 5000)

    assert refused.code == "not-found"
    assert len(refused.document["detail"]) < 300


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", RANDOM, "POST"), ("DELETE", RANDOM, "POST"), ("POST", KEY_SETS, "GET")],
)
def test_a_method_that_does_not_exist_is_a_problem_that_names_the_right_one(
    tps: Caller, method: str, path: str, allowed: str
) -> None:
    refused = tps.send(method, path)

    assert (refused.status, refused.code) == (405, "method-not-allowed")
    assert refused.headers["allow"] == allowed
    assert allowed in refused.document["detail"]


@each_code
def test_every_code_has_a_status_a_title_and_a_next_step(code: Code) -> None:
    kind = KINDS[code]

    assert 400 <= kind.status < 600
    assert kind.title[0].isupper()
    assert not kind.title.endswith(".")
    assert kind.next in Next


@each_code
def test_every_code_makes_a_document_of_its_own_kind(code: Code) -> None:
    response = problem_response(ServiceError(code, "why"), "of this request")

    assert isinstance(response.body, bytes)
    document = json.loads(response.body)
    assert response.status == document["status"] == KINDS[code].status
    assert document["type"] == f"urn:tmsd:problem:{code}"
    assert document["detail"] == "why"
    assert document["request_id"] == "of this request"
    assert "pointer" not in document


@each_code
def test_what_can_be_tried_again_says_when(code: Code) -> None:
    response = problem_response(ServiceError(code, "why"), "of this request")

    assert ("Retry-After" in response.headers) == (response.status in (429, 503))


def test_titles_are_told_apart() -> None:
    titles = [kind.title for kind in KINDS.values()]

    assert len(set(titles)) == len(titles)


@each_code
def test_every_code_is_in_the_manual(code: Code) -> None:
    assert f"`{code}`" in API_MANUAL.read_text()
