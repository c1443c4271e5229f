"""Reading certificates and policy anew, on SIGHUP: all that is new is taken, or nothing is.

What else stands in tmsd.toml takes a restart. Workers come first: each is replaced by one that
has read the new policy, so that at no time a front goes by a policy that no worker has.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from tmsd.api.server import Edge
from tmsd.api.tls import server_context
from tmsd.audit.log import AuditLog
from tmsd.audit.record import Decision, Outcome
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.daemon.listener import Listening
from tmsd.daemon.operations import Operations
from tmsd.daemon.worker_process import WorkerStartError
from tmsd.errors import ServiceError
from tmsd.systemd.journal import Event, about
from tmsd.systemd.notifying import ServiceManager

LOG = logging.getLogger(__name__)

_LONGEST_REASON = 512


@dataclass(frozen=True, slots=True)
class Reloading:
    """What a reload works on.

    Attributes:
        config_file: tmsd.toml.
        edge: gets a service with the new policy.
        operations: tells of the new policy.
        listening: serves new connections with the new certificates.
        audit: records what came of it.
        manager: is told when it begins and when it is over.
    """

    config_file: Path
    edge: Edge
    operations: Operations
    listening: Listening
    audit: AuditLog
    manager: ServiceManager

    async def whenever(self, wanted: asyncio.Event, serving: str) -> None:
        """Reload as often as it is wanted, until cancelled."""
        while True:
            await wanted.wait()
            wanted.clear()
            self.manager.reloading()
            await self._reload()
            self.manager.ready(serving)

    async def _reload(self) -> None:
        try:
            config = load_daemon_config(self.config_file)
            policy = load_policy(config.policy.file)
            tls = server_context(config.api)
            await self.operations.workers.renew(policy.digest, config.worker.start_seconds)
            await self.listening.serve(tls)
        except (ConfigError, OSError, WorkerStartError) as error:
            refused = about(Event.RELOAD_REFUSED)
            LOG.error("the new configuration is not taken: %s", error, extra=refused)
            await self._record(Outcome.REFUSED, {"reason": _in_a_line(str(error))})
            return
        self.edge.tks = replace(self.edge.tks, policy=policy)
        self.operations.policy = policy
        taken = about(Event.RELOADED)
        LOG.info("policy version %d and certificates are taken", policy.version, extra=taken)
        await self._record(
            Outcome.ALLOWED, {"policy_version": policy.version, "policy_digest": policy.digest}
        )

    async def _record(self, outcome: Outcome, details: dict[str, str | int | bool]) -> None:
        try:
            await self.audit.record(
                Decision(operation="daemon.reload", outcome=outcome, details=details)
            )
        except ServiceError:
            # The log says of itself that it cannot be written, and that something is missing.
            LOG.error("the reload could not be recorded")


def _in_a_line(reason: str) -> str:
    return "; ".join(reason.splitlines())[:_LONGEST_REASON]
