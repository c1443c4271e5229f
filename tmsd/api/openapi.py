"""The OpenAPI 3.1 document, made from the routes, so that it cannot differ from them.

`python -m tmsd.api.openapi > docs/openapi.json` writes it down; a test compares the two.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from tmsd.api.all_routes import ROUTES
from tmsd.api.problems import CONTENT_TYPE, KINDS, TYPE_PREFIX, Next
from tmsd.api.routes import IDEMPOTENCY_KEY, PARAMETERS, Route
from tmsd.errors import Code

VERSION = "1.0.0"

_REFERENCE = "#/components/schemas/{model}"


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document that describes `routes`."""
    routes = tuple(routes)
    models = {model for route in routes for model in (route.request, route.answer) if model}
    ordered = sorted(models, key=lambda model: model.__name__)
    # One mode for all: bytes are spelled alike on the way in and out.
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=_REFERENCE
    )
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tmsd: the narrow API",
            "version": VERSION,
            "description": "TLS 1.3 with a client certificate. Bytes are lower-case hex, opaque "
            "tokens base64url. Unknown fields are refused; bodies have at most 64 KiB.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"mutualTLS": []}],
        "paths": dict(paths),
        "components": {
            "securitySchemes": {"mutualTLS": {"type": "mutualTLS"}},
            "schemas": {**definitions["$defs"], "Problem": _problem_schema()},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "description": f"Role: {' or '.join(f'`{role}`' for role in route.roles)}.",
        "x-roles": list(route.roles),
        "x-needs": {need: str(code) for need, code in route.needs.items()},
        "responses": {
            "200": {
                "description": "Done.",
                "content": {"application/json": {"schema": _reference(route.answer.__name__)}},
            },
            **_refusals(route.all_refusals),
        },
    }
    if parameters := list(_parameters(route)):
        operation["parameters"] = parameters
    if route.request:
        schema = _reference(route.request.__name__)
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in route.parameters:
        schema = {"type": "string", "pattern": PARAMETERS[name]}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if route.idempotent:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "another for each certificate; the same when the same is asked again",
            "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY},
        }


def _refusals(codes: Iterable[Code]) -> dict[str, Any]:
    by_status: dict[int, list[Code]] = defaultdict(list)
    for code in codes:
        by_status[KINDS[code].status].append(code)
    return {
        str(status): {
            "description": "; ".join(f"`{code}`: {KINDS[code].title}" for code in sorted(found)),
            "content": {CONTENT_TYPE: {"schema": _reference("Problem")}},
        }
        for status, found in sorted(by_status.items())
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=name)}


def _problem_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A refusal (RFC 9457).",
        "required": ["type", "title", "status", "detail", "request_id", "next"],
        "properties": {
            "type": {"type": "string", "enum": [TYPE_PREFIX + code for code in KINDS]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "pointer": {"type": "string", "description": "JSON pointer of the field at fault"},
            "request_id": {"type": "string"},
            "next": {"type": "string", "enum": list(Next)},
        },
    }


if __name__ == "__main__":
    json.dump(document(ROUTES), sys.stdout, indent=2)
    sys.stdout.write("\n")
