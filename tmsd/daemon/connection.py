"""One connection of a caller, from its handshake on, as aiohttp serves it.

What arrives too slowly is given up: the head of a request and the reading of an answer here, a
body in tmsd/api/server.py, and who asks for nothing by aiohttp. What is not HTTP/1.1 (RFC 9112)
is refused with a problem document like everything else.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from uuid import uuid4

from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from tmsd.api.problems import problem_response
from tmsd.errors import Code, ServiceError
from tmsd.systemd.journal import Event, about

LOG = logging.getLogger(__name__)

LARGEST_LINE = 8190
"""Bytes of a request line, and of each header field."""

MOST_HEADERS = 64

# After an answer that came before the end of its request's body, for its caller to read it.
_LINGERING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller may take, in seconds.

    Attributes:
        head: to send a request's head, from its first byte on.
        answer: to read some of what it was answered, once it has left much unread.
        idle: from one request to the next.
    """

    head: float
    answer: float
    idle: float


class Register(Protocol):
    """Who is told of what becomes of a connection."""

    def opened(self, connection: "Connection") -> None:
        """Its handshake is over."""

    def at_work(self, connection: "Connection") -> None:
        """A request of it is being answered."""

    def idle(self, connection: "Connection") -> None:
        """It waits for a request."""

    def closed(self, connection: "Connection") -> None:
        """It is no more."""


class Connection(web.RequestHandler):
    """A connection.

    Args:
        server: of aiohttp; it ends what is open when the daemon ends.
        patience: how long is waited for its caller.
        register: is told.
    """

    __slots__ = ("_at_work", "_body", "_patience", "_register", "_too_late", "_unread")

    def __init__(self, server: web.Server, patience: Patience, register: Register) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # turns it off, as aiohttp does itself
            keepalive_timeout=patience.idle,
            lingering_time=_LINGERING_SECONDS,
            auto_decompress=False,
            max_line_size=LARGEST_LINE,
            max_field_size=LARGEST_LINE,
            max_headers=MOST_HEADERS,
        )
        self._patience = patience
        self._register = register
        self._at_work = False
        self._body: StreamReader = EMPTY_PAYLOAD
        self._too_late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve: the handshake is over."""
        super().connection_made(transport)
        self._register.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give up what is at work: nobody is there to be answered."""
        self._in_time()
        self._has_read()
        self._register.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived; the first byte of a head starts its time."""
        if not self._at_work and self._body.is_eof() and self._too_late is None:
            loop = asyncio.get_running_loop()
            self._too_late = loop.call_later(self._patience.head, self._give_up)
        super().data_received(data)

    def pause_writing(self) -> None:
        """Wait for the caller to read, but not for ever."""
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._unread = loop.call_later(self._patience.answer, self.abort)

    def resume_writing(self) -> None:
        """Go on: the caller has read."""
        self._has_read()
        super().resume_writing()

    def begins(self, body: StreamReader) -> None:
        """Note that a request's head is complete; its body need not be."""
        self._in_time()
        self._at_work = True
        self._body = body
        self._register.at_work(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer, and be idle again."""
        if isinstance(resp, web.HTTPException):  # of aiohttp's own: Expect: of something else
            resp = _refused(ServiceError(Code.REQUEST_INVALID, "expect 100-continue or nothing"))
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._at_work = False
            self._register.idle(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what is not HTTP, or what nothing else has caught."""
        del request, status, message  # what they say is aiohttp's wording
        if isinstance(exc, LineTooLong):
            refusal = ServiceError(
                Code.HEAD_TOO_LARGE,
                f"the request line and each header field have at most {LARGEST_LINE} bytes",
            )
        elif isinstance(exc, HttpProcessingError):
            refusal = ServiceError(
                Code.REQUEST_INVALID, "the request is not HTTP/1.1 as RFC 9112 has it"
            )
        else:
            LOG.error("a request failed", exc_info=exc, extra=about(Event.REQUEST_FAILED))
            refusal = ServiceError(Code.INTERNAL_ERROR, "the log of the server has the reason")
        return _refused(refusal)

    def abort(self) -> None:
        """Close at once, whatever has not been sent."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def _in_time(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _has_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        """Answer for a head that never came to its end, and close."""
        refusal = ServiceError(
            Code.REQUEST_TIMEOUT,
            f"the head of the request did not arrive within {self._patience.head:g} seconds",
        )
        if self.transport is not None:
            self.transport.write(_in_bytes(_refused(refusal)))
        self.force_close()


def serving(server: web.Server, patience: Patience, register: Register) -> Callable[[], Connection]:
    """Return what makes the connections of a server."""
    made = server.request_factory

    def request(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if isinstance(protocol, Connection):
            protocol.begins(payload)
        return made(message, payload, protocol, writer, task)

    server.request_factory = request
    return lambda: Connection(server, patience, register)


def _refused(refusal: ServiceError) -> web.Response:
    """Return the answer to what never became a request, and log it without a word of its."""
    request_id = uuid4().hex
    fields = about(Event.REQUEST_REFUSED, request=request_id, code=refusal.code.value)
    LOG.info("%s refused: %s", request_id, refusal, extra=fields)
    response = problem_response(refusal, request_id)
    response.headers["X-Request-Id"] = request_id
    response.force_close()
    return response


def _in_bytes(response: web.Response) -> bytes:
    """Return an answer as it is sent where aiohttp has no request to answer."""
    content = (response.text or "").encode()
    head = [f"HTTP/1.1 {response.status} {response.reason}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    head += [f"Content-Length: {len(content)}", "Connection: close", "", ""]
    return "\r\n".join(head).encode() + content
