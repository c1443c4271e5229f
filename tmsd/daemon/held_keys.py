"""Saying in the store which keys this daemon's workers may use: none is destroyed meanwhile.

A key stands there from before the first worker that may use it begins until the last one has ended.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial

from tmsd.clock import monotonic, now_ms
from tmsd.config.policy import Policy
from tmsd.daemon.workers import Workers
from tmsd.errors import ServiceError
from tmsd.store import held_keys as table
from tmsd.store.held_keys import Daemon, HeldKey
from tmsd.store.store import Store

_LOOKING_SECONDS = 0.5
# Far more often than a silent daemon counts as gone.
_TELLING_SECONDS = 60.0
_LONGEST_HOST = 255


class HeldKeys:
    """The keys that workers may use: those of each policy that one of them goes by.

    Args:
        store: where they are told.
        workers: who may use them.
        policy: that they go by at first.
    """

    def __init__(self, store: Store, workers: Workers, policy: Policy) -> None:
        self._store = store
        self._workers = workers
        self._daemon = Daemon(secrets.token_hex(16), socket.gethostname()[:_LONGEST_HOST])
        self._by_policy = {policy.digest: _keys(policy)}
        self._latest = policy.digest
        self._told: Collection[HeldKey] | None = None
        self._tell_at = 0.0

    async def expect(self, policy: Policy) -> None:
        """Say which keys workers may use from now on as well, as they are to go by a policy.

        Raises:
            ServiceError: `store-unavailable`: nobody would know.
        """
        self._by_policy[policy.digest] = _keys(policy)
        self._latest = policy.digest
        await self._tell()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Say it as long as there are workers, which end with this.

        Raises:
            ServiceError: `store-unavailable`.
        """
        await self._tell()
        telling = asyncio.create_task(self._keep_telling(), name="held keys")
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            with suppress(ServiceError):  # then it is silent, which counts as gone in time
                await self._store.run(partial(table.forget, daemon=self._daemon))

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_LOOKING_SECONDS)
            if self._workers.policies == {self._latest}:
                self._by_policy = {self._latest: self._by_policy[self._latest]}
            if self._told != self._held or monotonic() >= self._tell_at:
                with suppress(ServiceError):  # it is tried again
                    await self._tell()

    @property
    def _held(self) -> frozenset[HeldKey]:
        return frozenset[HeldKey]().union(*self._by_policy.values())

    async def _tell(self) -> None:
        held = self._held
        await self._store.run(partial(table.tell, daemon=self._daemon, keys=held, now_ms=now_ms()))
        self._told, self._tell_at = held, monotonic() + _TELLING_SECONDS


def _keys(policy: Policy) -> frozenset[HeldKey]:
    return frozenset(HeldKey(*key) for key in policy.used_keys())
