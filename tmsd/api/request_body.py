"""The body of a request, bounded in length and time."""

import asyncio

from aiohttp import web

from tmsd.errors import Code, ServiceError


async def read_body(request: web.Request, seconds: float) -> bytes:
    """Return the whole body, if it arrives in time; its application bounds its length.

    Raises:
        ServiceError: `request-timeout`, `body-too-large`; `request-invalid`, where it broke off.
    """
    try:
        if request.content.is_eof():  # mostly: it came with its head
            return await request.read()
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError:
        raise ServiceError(
            Code.REQUEST_TIMEOUT, f"the body did not arrive within {seconds:g} seconds"
        ) from None
    except web.HTTPRequestEntityTooLarge:
        raise ServiceError(
            Code.BODY_TOO_LARGE, f"a body has at most {request.client_max_size} bytes"
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        # Told to nobody, as the connection is of no more use; it is recorded all the same.
        raise ServiceError(Code.REQUEST_INVALID, "the body broke off") from None
