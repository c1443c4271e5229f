"""Saying in time that a CRL runs out, after which its CA's callers are refused."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from tmsd.clock import now
from tmsd.config.caller_trust import CallerTrust
from tmsd.systemd.journal import Event, about

LOG = logging.getLogger(__name__)

_LOOKING_SECONDS = 3600.0


async def warn_of_expiry(trusts: Callable[[], Iterable[CallerTrust]]) -> None:
    """Say every hour what runs out soon, until cancelled.

    Args:
        trusts: returns those that are gone by, which a reload puts others in the place of.
    """
    while True:
        await asyncio.sleep(_LOOKING_SECONDS)
        say_what_runs_out(trusts())


def say_what_runs_out(trusts: Iterable[CallerTrust]) -> None:
    """Log a warning for each CRL that runs out soon; of one trust once, whoever shares it."""
    for trust in dict.fromkeys(trusts):
        for warning in trust.warnings(now()):
            LOG.warning(warning, extra=about(Event.CRL_RUNS_OUT))
