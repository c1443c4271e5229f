"""The OpenAPI document: valid, complete, served, and written down in docs/."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.site.caller import Caller
from tmsd.api.all_routes import ROUTES
from tmsd.api.openapi import document
from tmsd.api.problems import KINDS
from tmsd.api.routes import Route
from tmsd.api.server import OPENAPI_PATH
from tmsd.errors import Code

WRITTEN = Path(__file__).parents[2] / "docs" / "openapi.json"

each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The document of the routes."""
    return document(ROUTES)


def test_it_is_valid(openapi: dict[str, Any]) -> None:
    validate(openapi)


def test_it_is_served_to_callers(tps: Caller, openapi: dict[str, Any]) -> None:
    assert tps.get(OPENAPI_PATH).document == openapi


def test_the_written_document_is_what_its_command_writes() -> None:
    command = [sys.executable, "-m", "tmsd.api.openapi"]

    printed = subprocess.run(command, capture_output=True, check=True).stdout

    assert WRITTEN.read_bytes() == printed, "python -m tmsd.api.openapi > docs/openapi.json"


def test_the_written_document_describes_the_routes(openapi: dict[str, Any]) -> None:
    assert json.loads(WRITTEN.read_text()) == openapi


def test_it_has_every_route_and_no_other(openapi: dict[str, Any]) -> None:
    described = {
        (method.upper(), path) for path, item in openapi["paths"].items() for method in item
    }

    assert described == {(route.method, route.path) for route in ROUTES}


@each_route
def test_a_route_is_described_with_its_bodies_and_its_role(
    openapi: dict[str, Any], route: Route
) -> None:
    operation = openapi["paths"][route.path][route.method.lower()]

    assert operation["operationId"] == route.operation
    assert all(f"`{role}`" in operation["description"] for role in route.roles)
    assert ("requestBody" in operation) == (route.request is not None)
    assert "application/json" in operation["responses"]["200"]["content"]


@each_route
def test_a_route_is_described_with_every_refusal_under_its_status(
    openapi: dict[str, Any], route: Route
) -> None:
    responses = openapi["paths"][route.path][route.method.lower()]["responses"]

    for code in route.all_refusals:
        answer = responses[str(KINDS[code].status)]
        assert f"`{code}`" in answer["description"]
        assert "application/problem+json" in answer["content"]


def test_every_code_is_a_problem_type(openapi: dict[str, Any]) -> None:
    types = openapi["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]

    assert set(types) == {f"urn:tmsd:problem:{code}" for code in Code}


def test_every_schema_of_a_body_refuses_unknown_fields(openapi: dict[str, Any]) -> None:
    schemas = dict(openapi["components"]["schemas"])
    del schemas["Problem"]  # RFC 9457, 3.2: problem types may get further members
    bodies = [schema for schema in schemas.values() if schema["type"] == "object"]

    assert all(body["additionalProperties"] is False for body in bodies)


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]
    text = json.dumps(openapi)
    references = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}

    assert references == schemas.keys()
