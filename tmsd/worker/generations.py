"""The worker's logins, one after another: a token that is lost is reached again.

Handles, sessions and objects belong to one generation. When the token is lost, all that was
held of it is dropped, never closed; then the module is restarted, the keys are found again,
and must be the same keys, before anybody is served.
"""

import logging
import math
import random
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from hsm.errors import HsmError, ModuleStuck, PinLatched
from tmsd.clock import monotonic
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.worker.context import LoggedIn
from tmsd.worker.keyring import Identities, KeyName

LOG = logging.getLogger(__name__)

_JITTER = random.SystemRandom()
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 2.0


C = TypeVar("C", bound=LoggedIn)

# Restarts the module, logs in, finds these keys again and tests what the token does; HsmError if
# it is not there, or not as it was, ApprovalRefused if another policy is in force by now or the
# token differs from its inventory.
Reopen = Callable[[Identities, Collection[KeyName]], C]


class Generations(Generic[C]):
    """The present login, or why there is none.

    Attributes:
        generation: counts the logins, from 1.
        context: what is worked with; None while the token is lost.
        reason: why it is lost.
        derivations: session objects made in all generations.
    """

    def __init__(self, first: C, reopen: Reopen[C], now: Callable[[], float] = monotonic) -> None:
        self.generation = 1
        self.context: C | None = first
        self.reason: str | None = None
        self._reopen = reopen
        self._now = now
        self._made_before = 0
        self._before: Identities = {}
        self._gone: set[KeyName] = set()
        self._pause = _FIRST_PAUSE
        self._try_at = 0.0

    @property
    def derivations(self) -> int:
        """Session objects made since the worker began, in all generations."""
        present = self.context.token.objects_made if self.context else 0
        return self._made_before + present

    def probe(self) -> None:
        """Make sure that the token is there, or let go of it."""
        if self.context is None:
            return
        try:
            self.context.keyring.probe()
        except HsmError as error:
            self.lose(str(error))

    def probe_after_failure(self) -> None:
        """Make sure that the token is there, when an operation failed as if it were not.

        Where it is, the handle of one key was void, and must not fail each operation to come. A
        key that is not found either is looked for once more in another generation, which can do
        without it.
        """
        self.probe()
        if self.context is None:
            return
        try:
            gone = self.context.keyring.renew_void_handles()
        except HsmError as error:
            self.lose(str(error))
            return
        if gone:
            self.probe()  # so that it is the keys which are gone, and not the token meanwhile
        if gone and self.context is not None:
            self._gone |= gone
            self.lose(f"{', '.join(map(str, gone))}: it was there, and is not found any more")

    def lose(self, reason: str) -> None:
        """Drop all that is held of the token; it is reached again by `recover`."""
        if self.context is None:
            return
        LOG.error("the token is lost: %s", reason)
        token = self.context.token
        self._before = {**self._before, **self.context.keyring.identities}
        self._made_before = self.derivations
        token.abandoned = True
        self.context = None
        self.reason = reason
        self._pause = _FIRST_PAUSE
        self._try_at = self._now()

    @property
    def seconds_to_try(self) -> float:
        """How long `recover` has nothing to do."""
        return math.inf if self.context else max(0.0, self._try_at - self._now())

    def recover(self) -> bool:
        """Try to reach the token again, unless the last try is too recent; say whether it was.

        Raises:
            ModuleStuck: the token can be reached again by another process alone.
        """
        if self.seconds_to_try > 0:
            return False
        try:
            context = self._reopen(self._before, self._gone)
        except ModuleStuck:
            raise
        except (HsmError, ApprovalRefused) as error:
            if self.reason != str(error):
                LOG.error("the token is not back: %s", error)
            self.reason = str(error)
            # A latch is looked at without asking the token.
            self._pause = _LONGEST_PAUSE if isinstance(error, PinLatched) else self._pause
            self._try_at = self._now() + self._pause * _JITTER.uniform(0.5, 1)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            return True
        self.generation += 1
        self.context = context
        self.reason = None
        LOG.warning("the token is back, in generation %d", self.generation)
        return True
