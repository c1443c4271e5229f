"""Nonces (RFC 9654), signed by a worker of their own: the responder's one way to an HSM.

Loaded where tmsd.toml has [ocsp.nonces], and not otherwise. The worker is a process of another
user: what it signs is in its own hands (tmsd/worker/nonces.py). How much of it anybody can have is
bounded here; who gets none has the answer that was signed before, as without this mode.
"""

import asyncio
import logging
import socket
from collections.abc import Collection
from typing import Self

from tmsd.clock import monotonic
from tmsd.config.ocsp import NoncesConfig
from tmsd.config.policy import Policy
from tmsd.config.toml import ConfigError, Fault
from tmsd.systemd.journal import Event, about
from tmsd.vault.conversation import Conversation, WorkerGone
from tmsd.vault.framing import FrameError
from tmsd.vault.nonce_messages import NonceQuestion, NonceReply, NonceSigned, SignNonce
from tmsd.vault.reaching import WorkerStartError, announced, connect_to
from tmsd.vault.worker_messages import Refused

LOG = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 3.0
# A worker that is silent for so long beyond a deadline hangs: it tells how it is twice a second.
_GRACE_SECONDS = 1.0


class NonceConnection(Conversation[NonceReply]):
    """The responder's end of the worker's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer, NonceQuestion, NonceReply)

    @classmethod
    async def over(cls, connected: socket.socket) -> Self:
        """Take over a connected socket."""
        return cls(*await asyncio.open_unix_connection(sock=connected))


class Nonces:
    """Has nonces signed while the worker is there.

    Args:
        config: where the worker is, and what it may be asked for.
        start_seconds: how long the worker may take from its start to its first answer.
        policy: that the worker must go by; it names who answers with nonces.

    Raises:
        ConfigError: nobody does.
    """

    def __init__(self, config: NoncesConfig, start_seconds: float, policy: Policy) -> None:
        self._config = config
        self._start_seconds = start_seconds
        self._policy_digest = policy.digest
        self._cas = _with_nonces(policy)
        self._connection: NonceConnection | None = None
        self._told: str | None = None
        self._allowance = _Allowance(config.per_second)

    def go_by(self, policy: Policy) -> None:
        """Have nonces signed by a worker that goes by this policy, if it is another.

        Raises:
            ConfigError: nobody answers with nonces there.
        """
        self._cas = _with_nonces(policy)
        if policy.digest != self._policy_digest and self._connection is not None:
            self._connection.close()
        self._policy_digest = policy.digest

    async def keep(self) -> None:
        """Reach a worker, and another when it ends, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._converse()
                pause = _FIRST_PAUSE
            except (WorkerStartError, FrameError, OSError) as error:
                self._tell(f"no worker for nonces: {error}")
                pause = min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def sign(self, ca: str, nonce: bytes, answer: bytes) -> bytes | None:
        """Return an answer of a CA with a nonce; None where it cannot be had now."""
        connection = self._connection
        if ca not in self._cas or connection is None or not connection.is_operational:
            return None
        if connection.outstanding >= self._config.waiting or not self._allowance.take():
            return None
        deadline = monotonic() + self._config.deadline_seconds
        try:
            async with asyncio.timeout(self._config.deadline_seconds):
                reply = await connection.send(SignNonce(nonce, answer), deadline)
        except (TimeoutError, WorkerGone):
            return None
        if isinstance(reply.answer, NonceSigned):
            return reply.answer.answer
        if isinstance(reply.answer, Refused):
            self._tell(f"a nonce is not signed: {reply.answer.detail}")
        return None

    async def _converse(self) -> None:
        """Reach a worker, and hand over its answers until it ends.

        Raises:
            WorkerStartError: there is none, it is not ready, or it goes by another policy.
            FrameError, OSError: it does not keep to the protocol, or its socket fails.
        """
        connection = await NonceConnection.over(connect_to(self._config.socket))
        try:
            digest = self._policy_digest
            await announced(connection, digest, self._start_seconds)
            if digest != self._policy_digest:
                return  # it was reloaded meanwhile
            LOG.info("nonces are signed", extra=about(Event.WORKER_READY))
            self._told = None
            self._connection = connection
            await connection.deliver_answers(lambda: self._patience(connection), lambda: None)
        finally:
            self._connection = None
            connection.close()
        self._tell("the worker for nonces ended")

    def _patience(self, connection: NonceConnection) -> float:
        """Return how long the worker may say nothing, in seconds."""
        answering = self._config.deadline_seconds + _GRACE_SECONDS
        if connection.is_operational:
            return answering
        return max(answering, self._start_seconds)

    def _tell(self, words: str) -> None:
        """Log what keeps nonces from being signed, once."""
        if words != self._told:
            LOG.error("%s", words)
        self._told = words


class _Allowance:
    """So many a second, and no more at once than in one second."""

    def __init__(self, per_second: int) -> None:
        self._most = self._left = float(per_second)
        self._since = monotonic()

    def take(self) -> bool:
        """Take one, if one is left."""
        now = monotonic()
        self._left = min(self._most, self._left + (now - self._since) * self._most)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _with_nonces(policy: Policy) -> Collection[str]:
    """Return the names of the CAs that answer with nonces.

    Raises:
        ConfigError: there is none.
    """
    found = {name for name, ca in policy.cas.items() if ca.ocsp and ca.ocsp.nonces}
    if not found:
        words = "[ocsp.nonces] of tmsd.toml needs a CA with a table ocsp.nonces"
        raise ConfigError([Fault(policy.source, None, "cas", words)])
    return found
