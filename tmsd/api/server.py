"""The HTTPS edge: every request is identified, bounded, recorded, and only then answered."""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import uuid4

from aiohttp import web

from tmsd.api import openapi
from tmsd.api.all_routes import ROUTES
from tmsd.api.bodies import parse
from tmsd.api.callers import identify, require_protocol, require_role
from tmsd.api.problems import problem_response
from tmsd.api.request_body import read_body
from tmsd.api.resting import answer_and_rest
from tmsd.api.routes import IDEMPOTENCY_KEY, Asked, Route, Services
from tmsd.audit.log import AuditLog
from tmsd.audit.trail import Trail, recorded
from tmsd.config.caller_trust import CallerTrust
from tmsd.config.callers import Caller, Protocol
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.systemd.journal import Event, about

LOG = logging.getLogger(__name__)

MAX_BODY = 64 * 1024
OPENAPI_PATH = "/v1/openapi.json"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Edge:
    """What the edge works with; a reload puts others in the place of `services` and `trust`."""

    services: Services
    trust: CallerTrust
    audit: AuditLog
    body_seconds: float

    @property
    def policy(self) -> Policy:
        """What is allowed."""
        return self.services.tks.policy


def application(edge: Edge) -> web.Application:
    """Return the application that serves the API."""
    app = web.Application(middlewares=[_problems], client_max_size=MAX_BODY)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(edge, route))
    document = openapi.document(ROUTES)

    async def serve_document(request: web.Request) -> web.Response:
        trail = Trail("api.openapi", request_id=request["request_id"])
        async with recorded(edge.audit, trail):
            caller = identify(request, edge.policy, edge.trust)
            trail.caller = caller.name
            require_protocol(caller, Protocol.API)
        return web.json_response(document)

    app.router.add_get(OPENAPI_PATH, serve_document)
    return app


def _handler(edge: Edge, route: Route) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        trail = Trail(route.operation, request_id=request["request_id"])
        async with recorded(edge.audit, trail):
            content = await _serve(edge, route, request, trail)
            trail.answer_digest = sha256(content).hexdigest()
        return web.Response(body=content, content_type="application/json")

    return handle


async def _serve(edge: Edge, route: Route, request: web.Request, trail: Trail) -> bytes:
    caller = identify(request, edge.policy, edge.trust)
    trail.caller = request["caller"] = caller.name
    _spend_request(edge, caller, request)
    require_protocol(caller, Protocol.API)
    require_role(caller, route.roles)
    body = None
    if route.request is not None:
        content = await _read_body(request, edge.body_seconds)
        trail.request_digest = sha256(content).hexdigest()
        body = parse(route.request, content)
    if route.intent is not None:
        await edge.audit.record(trail.intent(route.intent(body)))
    key = _idempotency_key(request) if route.idempotent else None
    asked = Asked(body, request.match_info, key)
    answer = await route.serve(edge.services, caller, asked, trail)
    return answer.model_dump_json().encode()


def _idempotency_key(request: web.Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise ServiceError(
            Code.IDEMPOTENCY_KEY_MISSING,
            "send an Idempotency-Key: 16 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', another for each"
            " certificate",
        )
    return key


def _spend_request(edge: Edge, caller: Caller, request: web.Request) -> None:
    try:
        edge.services.tks.budgets.spend_request(caller)
    except ServiceError:
        request["too_often"] = True
        raise


async def _read_body(request: web.Request, seconds: float) -> bytes:
    if request.content_type != "application/json":
        raise ServiceError(Code.MEDIA_TYPE_UNSUPPORTED, "send Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise ServiceError(Code.MEDIA_TYPE_UNSUPPORTED, "send the body without Content-Encoding")
    return await read_body(request, seconds)


@web.middleware
async def _problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Give each request an id, and turn every refusal into a problem document."""
    request_id = request["request_id"] = uuid4().hex
    try:
        response = await handler(request)
    except ServiceError as refusal:
        fields = about(
            Event.REQUEST_REFUSED,
            caller=request.get("caller"),
            request=request_id,
            code=refusal.code.value,
        )
        LOG.info("%s refused: %s", request_id, refusal, extra=fields)
        response = problem_response(refusal, request_id)
        if refusal.code is Code.CERTIFICATE_REFUSED:
            response.force_close()
    except web.HTTPNotFound:
        missing = ServiceError(Code.NOT_FOUND, f"there is no {request.path[:256]}")
        response = problem_response(missing, request_id)
    except web.HTTPMethodNotAllowed as wrong:
        allowed = ", ".join(sorted(wrong.allowed_methods))
        misused = ServiceError(Code.METHOD_NOT_ALLOWED, f"use {allowed}")
        response = problem_response(misused, request_id)
        response.headers["Allow"] = allowed
    except Exception:
        failed = about(Event.REQUEST_FAILED, caller=request.get("caller"), request=request_id)
        LOG.exception("%s failed", request_id, extra=failed)
        failure = ServiceError(Code.INTERNAL_ERROR, "the log of the server has the reason")
        response = problem_response(failure, request_id)
    response.headers["X-Request-Id"] = request_id
    if request.get("too_often"):
        await answer_and_rest(request, response)
    return response
