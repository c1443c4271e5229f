"""Saying in time that a CRL runs out, after which its CA's callers are refused."""

import asyncio
import logging

from tmsd.api.server import Edge
from tmsd.clock import now
from tmsd.config.caller_trust import CallerTrust
from tmsd.systemd.journal import Event, about

LOG = logging.getLogger(__name__)

_LOOKING_SECONDS = 3600.0


async def warn_of_expiry(edge: Edge) -> None:
    """Say every hour what runs out soon, until cancelled."""
    while True:
        await asyncio.sleep(_LOOKING_SECONDS)
        say_what_runs_out(edge.trust)


def say_what_runs_out(trust: CallerTrust) -> None:
    """Log a warning for each CRL that runs out soon."""
    for warning in trust.warnings(now()):
        LOG.warning(warning, extra=about(Event.CRL_RUNS_OUT))
