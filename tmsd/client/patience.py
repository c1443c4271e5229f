"""How long a request is asked again, and after which pauses."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tmsd.client.problem import Next, Problem, ServiceUnreachable

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

A = TypeVar("A")


async def ask_with_patience(ask: Callable[[], Awaitable[A]], seconds: float) -> A:
    """Ask until there is an answer, or asking on for so many seconds will not help.

    Asked again is what was refused with the next step `retry`, and what got no answer. Pauses
    double from a tenth of a second to five; `Retry-After` makes them longer. They vary by a
    quarter, so that callers who were refused together do not come back together.

    Args:
        ask: makes one request that can be made twice.
        seconds: from now on; with 0 it is made once.

    Raises:
        Problem: the refusal that came last; at once if asking again is of no use.
        ServiceUnreachable: no answer came the last time.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return await ask()
        except Problem as problem:
            if problem.next is not Next.RETRY:
                raise
            refusal: Problem | ServiceUnreachable = problem
            waiting = max(pause, problem.retry_after or 0.0)
        except ServiceUnreachable as unreachable:
            refusal = unreachable
            waiting = pause
        waiting *= random.uniform(1.0, 1.25)  # noqa: S311  no secret
        if clock() + waiting > end:
            raise refusal
        await asyncio.sleep(waiting)
        pause = min(2 * pause, _LONGEST_PAUSE)
