"""Leaving a connection alone whose caller asks too often."""

import asyncio
from random import SystemRandom

from aiohttp import web

# The least that Retry-After can tell.
_REST_SECONDS = 1.0
_JITTER = SystemRandom()


async def answer_and_rest(request: web.Request, response: web.StreamResponse) -> None:
    """Answer, and leave the connection alone for as long as its caller was told to wait.

    Who waits notices nothing. Who does not could otherwise keep the daemon busy refusing, and
    make others wait and the audit log grow.
    """
    await response.prepare(request)
    await response.write_eof()
    await asyncio.sleep(_REST_SECONDS * _JITTER.uniform(0.5, 1))
