"""The HTTP side for TPSs of Dogtag: every request is identified, bounded, recorded, then answered.

Four paths lead to the same: what is asked is told by the parameters alone.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import uuid4

from aiohttp import web
from aiohttp.hdrs import CONTENT_TYPE

from tmsd.api.callers import identify, require_protocol
from tmsd.api.request_body import read_body
from tmsd.api.resting import answer_and_rest
from tmsd.audit.log import AuditLog
from tmsd.audit.trail import Trail, recorded
from tmsd.config.caller_trust import CallerTrust
from tmsd.config.callers import Caller, Protocol
from tmsd.dogtag import answers, parameters, requests
from tmsd.dogtag.answers import Page
from tmsd.dogtag.parameters import MAX_BODY
from tmsd.dogtag.requests import Operation
from tmsd.dogtag.serving import answer
from tmsd.errors import Code, ServiceError
from tmsd.systemd.journal import Event, about
from tmsd.tks.dogtag_memory import DogtagMemory
from tmsd.tks.dogtag_wanted import KeySetDataWanted
from tmsd.tks.service import Tks

LOG = logging.getLogger(__name__)

PATHS = tuple(
    f"/tks/agent/tks/{name}"
    for name in ("computeSessionKey", "createKeySetData", "encryptData", "computeRandomData")
)
_FORM = "application/x-www-form-urlencoded"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class DogtagEdge:
    """What the edge works with; a reload puts another in the place of `trust`.

    Attributes:
        tks: returns the service, under the policy that is in force.
        memory: what is remembered from one request to the next.
        trust: whose certificates are trusted.
        audit: where every decision is recorded.
        body_seconds: how long a body may take to arrive.
    """

    tks: Callable[[], Tks]
    memory: DogtagMemory
    trust: CallerTrust
    audit: AuditLog
    body_seconds: float


def application(edge: DogtagEdge) -> web.Application:
    """Return the application that serves TPSs of Dogtag."""
    app = web.Application(middlewares=[_refusals], client_max_size=MAX_BODY)

    async def handle(request: web.Request) -> web.Response:
        trail = Trail(Operation.UNDECIDED, request_id=request["request_id"])
        async with recorded(edge.audit, trail):
            page = await _serve(edge, request, trail)
            trail.answer_digest = sha256(page.body).hexdigest()
        return _response(page)

    for path in PATHS:
        app.router.add_post(path, handle)
    app.on_response_prepare.append(_without_invented_type)
    return app


async def _serve(edge: DogtagEdge, request: web.Request, trail: Trail) -> Page:
    tks = edge.tks()
    caller = identify(request, tks.policy, edge.trust)
    trail.caller = request["caller"] = caller.name
    _spend_request(tks, caller, request)
    require_protocol(caller, Protocol.DOGTAG)
    body = await read_body(request, edge.body_seconds)
    trail.request_digest = sha256(body).hexdigest()
    is_form = request.content_type == _FORM
    found = parameters.parse(body) if is_form else {}
    operation = requests.operation(found)
    trail.operation = request["operation"] = operation
    wanted = requests.read(operation, found)
    if isinstance(wanted, KeySetDataWanted):  # which changes a card
        await edge.audit.record(trail.intent({"new_key_version": wanted.new_key_version}))
    return await answer(tks, edge.memory, caller, wanted, trail)


def _spend_request(tks: Tks, caller: Caller, request: web.Request) -> None:
    try:
        tks.budgets.spend_request(caller)
    except ServiceError:
        request["too_often"] = True
        raise


@web.middleware
async def _refusals(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Give each request an id, and tell of every refusal as Dogtag does."""
    request_id = request["request_id"] = uuid4().hex
    response: web.StreamResponse
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
        response = _refusal(request, refusal)
    except web.HTTPException as other:  # of aiohttp's own: another path, another method
        response = _response(Page(b"", None, other.status))
    except Exception:
        failed = about(Event.REQUEST_FAILED, caller=request.get("caller"), request=request_id)
        LOG.exception("%s failed", request_id, extra=failed)
        failure = ServiceError(Code.INTERNAL_ERROR, "the log of the server has the reason")
        response = _refusal(request, failure)
    response.headers["X-Request-Id"] = request_id
    if request.get("too_often"):
        await answer_and_rest(request, response)
    return response


def _refusal(request: web.Request, refusal: ServiceError) -> web.Response:
    operation = request.get("operation", Operation.UNDECIDED)
    response = _response(answers.refused(operation, refusal))
    if refusal.code is Code.CERTIFICATE_REFUSED:
        response.force_close()
    return response


def _response(page: Page) -> web.Response:
    headers = {} if page.content_type is None else {"Content-Type": page.content_type}
    if page.retry_after is not None:
        headers["Retry-After"] = str(page.retry_after)
    return web.Response(body=page.body, status=page.http_status, headers=headers)


async def _without_invented_type(_request: web.Request, response: web.StreamResponse) -> None:
    """Take away the type that aiohttp gives to what has none: Dogtag sends none, either."""
    if response.headers.get(CONTENT_TYPE) == "application/octet-stream":
        del response.headers[CONTENT_TYPE]
