"""Headers by which caches know how long they may keep what was signed (RFC 5019, 6.2; RFC 9111)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web
from aiohttp.hdrs import CACHE_CONTROL, EXPIRES, LAST_MODIFIED
from aiohttp.helpers import ETAG_ANY

from tmsd import clock
from tmsd.x509.ocsp import Period

NOT_KEPT = {CACHE_CONTROL: "no-store"}
"""Of refusals: what is refused now may be answered in a moment."""


def kept(period: Period, max_age_seconds: int) -> Mapping[str, str]:
    """Return the headers of what holds for a period, which has begun.

    Args:
        period: of the answer or the CRL.
        max_age_seconds: how long it may be kept at most.
    """
    left = int((period.next_update - clock.now()).total_seconds())
    age = max(0, min(max_age_seconds, left))
    return {
        CACHE_CONTROL: f"max-age={age}, public, no-transform, must-revalidate",
        EXPIRES: _http_date(period.next_update),
        LAST_MODIFIED: _http_date(period.this_update),
    }


def is_held_by(request: web.BaseRequest, etag: str) -> bool:
    """Say whether the asker has this already (RFC 9110, 13.1.2).

    If-Modified-Since is not looked at: a second is its unit, and a revocation can follow within
    the second in which its certificate was told to be good.
    """
    held = request.if_none_match or ()
    return any(tag.value in (etag, ETAG_ANY) for tag in held)


def _http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)
