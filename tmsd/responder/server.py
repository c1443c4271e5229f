"""What relying parties ask over plain HTTP: OCSP (RFC 5019), CRLs and CA certificates (RFC 2585).

POST /ocsp, GET /ocsp/BASE64      an OCSP request
GET /crl/NAME.crl                 the newest CRL of a CA, of a partition, or a delta
GET /ca/NAME.cer                  the certificate of a CA
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from aiohttp import web
from aiohttp.hdrs import METH_HEAD, METH_POST, RETRY_AFTER
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.ocsp.answering import Answering, Told
from tmsd.ocsp.published import CrlName, Unavailable
from tmsd.responder.caching import NOT_KEPT, is_held_by, kept
from tmsd.responder.paths import request_in
from tmsd.x509.ocsp import MAX_REQUEST, Refusal

LOG = logging.getLogger(__name__)

_ASKED = "application/ocsp-request"
_ANSWERED = "application/ocsp-response"
_CRL = "application/pkix-crl"
_CERTIFICATE = "application/pkix-cert"
_PART = 64 * 1024


@dataclass(slots=True)
class Edge:
    """What the routes need; a reload puts others in the place of `answering` and `cas`.

    Attributes:
        answering: the rules.
        cas: certificates of the CAs, by name.
        max_age_seconds: how long others may keep what was told.
        request_seconds: how long a body may take to arrive, and a part of a CRL to leave.
    """

    answering: Answering
    cas: Mapping[str, x509.Certificate]
    max_age_seconds: int
    request_seconds: float


def application(edge: Edge) -> web.Application:
    """Return the application, whose bodies have at most `MAX_REQUEST` bytes."""

    async def ask_in_body(request: web.Request) -> web.Response:
        return _answer(edge, request, await edge.answering.answer(await _body(edge, request)))

    async def ask_in_path(request: web.Request) -> web.Response:
        der = request_in(request.rel_url.raw_path.removeprefix("/ocsp/"))
        told = Told(Refusal.MALFORMED_REQUEST.der)
        return _answer(edge, request, told if der is None else await edge.answering.answer(der))

    async def crl(request: web.Request) -> web.StreamResponse:
        return await _crl(edge, request)

    async def certificate(request: web.Request) -> web.Response:
        ca = edge.cas.get(request.match_info["name"])
        if ca is None:
            raise web.HTTPNotFound
        return web.Response(body=ca.public_bytes(Encoding.DER), content_type=_CERTIFICATE)

    app = web.Application(client_max_size=MAX_REQUEST)
    app.router.add_post("/ocsp", ask_in_body)
    app.router.add_post("/ocsp/", ask_in_body)
    app.router.add_get("/ocsp/{request:.+}", ask_in_path)
    app.router.add_get("/crl/{name}.crl", crl)
    app.router.add_get("/ca/{name}.cer", certificate)
    return app


async def _body(edge: Edge, request: web.Request) -> bytes:
    if request.content_type != _ASKED:
        raise web.HTTPUnsupportedMediaType(text=f"send Content-Type: {_ASKED}")
    try:
        async with asyncio.timeout(edge.request_seconds):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _answer(edge: Edge, request: web.Request, told: Told) -> web.Response:
    if told.period is None:
        return web.Response(body=told.der, content_type=_ANSWERED, headers=NOT_KEPT)
    etag = sha256(told.der).hexdigest()
    headers = kept(told.period, edge.max_age_seconds)
    if request.method != METH_POST and is_held_by(request, etag):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=told.der, content_type=_ANSWERED, headers=headers)
    response.etag = etag
    return response


async def _crl(edge: Edge, request: web.Request) -> web.StreamResponse:
    name = CrlName.parse(request.match_info["name"])
    if name is None:
        raise web.HTTPNotFound
    try:
        crl = await edge.answering.crl(name)
    except Unavailable as unavailable:
        LOG.error("%s", unavailable)
        refusal = web.HTTPServiceUnavailable(headers=NOT_KEPT)
        refusal.headers[RETRY_AFTER] = "1"
        raise refusal from None
    if crl is None:
        raise web.HTTPNotFound
    is_held = is_held_by(request, crl.sha256)
    response = web.StreamResponse(
        status=304 if is_held else 200, headers=kept(crl.period, edge.max_age_seconds)
    )
    response.etag = crl.sha256
    if is_held:
        return response
    response.content_type = _CRL
    response.content_length = len(crl.der)
    await response.prepare(request)
    if request.method != METH_HEAD:
        await _send(request, response, memoryview(crl.der), edge.request_seconds)
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, body: memoryview, seconds: float
) -> None:
    """Send a body in parts, so that slow readers do not each have a copy of all of it.

    Who stops reading, or goes away, is not answered any more; that is no fault for the log.
    """
    try:
        for begin in range(0, len(body), _PART):
            async with asyncio.timeout(seconds):
                await response.write(body[begin : begin + _PART])
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()
