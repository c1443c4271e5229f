"""Reading certificates and policy anew, on SIGHUP: all that is new is taken, or nothing is.

What else stands in tmsd.toml takes a restart. Workers come first: each is replaced by one that
has read the new policy, so that at no time a front goes by a policy that no worker has.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tmsd.api.server import Edge
from tmsd.audit.record import Decision, Outcome
from tmsd.config.caller_trust import CallerTrust
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import Policy, load_policy
from tmsd.config.toml import ConfigError
from tmsd.daemon.admission import Admissions, load_admissions
from tmsd.daemon.expiry import say_what_runs_out
from tmsd.daemon.held_keys import HeldKeys
from tmsd.daemon.listener import Listening
from tmsd.daemon.operations import Operations
from tmsd.dogtag.application import DogtagEdge
from tmsd.errors import ServiceError
from tmsd.quorum.policy_approval import PolicyIdentity
from tmsd.quorum.policy_in_force import require_successor
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.systemd.journal import Event, about
from tmsd.systemd.notifying import ServiceManager
from tmsd.vault.reaching import WorkerStartError

LOG = logging.getLogger(__name__)

_LONGEST_REASON = 512
_REFUSALS = (ConfigError, OSError, ServiceError, WorkerStartError, ApprovalRefused)


@dataclass(frozen=True, slots=True)
class Reloading:
    """What a reload works on.

    Attributes:
        config_file: tmsd.toml.
        edge: gets a service with the new policy, and the CAs and CRLs that callers are held to.
        dogtag: gets the CAs and CRLs of its callers, and asks `edge` for the service; None where
            tmsd.toml has no table for it.
        operations: tells of the new policy.
        held_keys: tells which keys workers may use by it.
        manager: is told when it begins and when it is over.
        wanted: is set by the signal, at any time from the daemon's start on.
    """

    config_file: Path
    edge: Edge
    dogtag: DogtagEdge | None
    operations: Operations
    held_keys: HeldKeys
    manager: ServiceManager
    wanted: asyncio.Event

    async def whenever_wanted(self, listening: Listening, serving: str) -> None:
        """Reload as often as it is wanted, until cancelled.

        Args:
            listening: serves new connections with the new certificates.
            serving: what the manager is told when it is over.
        """
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            self.manager.reloading()
            await self._reload(listening)
            self.manager.ready(serving)

    async def _reload(self, listening: Listening) -> None:
        try:
            config = load_daemon_config(self.config_file)
            policy = load_policy(config.policy.file)
            admissions = load_admissions(config)
            self._require_approvals(policy)
            listening.open_for(policy)
            await self.held_keys.expect(policy)
            await self.operations.workers.renew(policy.digest, config.worker.start_seconds)
        except _REFUSALS as error:
            refused = about(Event.RELOAD_REFUSED)
            await listening.shut_for(self.operations.policy)
            self.operations.reload_refused = str(error)
            LOG.error("the new configuration is not taken: %s", error, extra=refused)
            await self._record(Outcome.REFUSED, {"reason": _in_a_line(str(error))})
            return
        listening.admit_by(admissions)
        await listening.shut_for(policy)
        self._trust_by(admissions)
        self.edge.services = self.edge.services.under(policy)
        self.operations.policy = policy
        self.operations.reload_refused = None
        say_what_runs_out(self.trusts)
        taken = about(Event.RELOADED)
        LOG.info("policy version %d and certificates are taken", policy.version, extra=taken)
        await self._record(
            Outcome.ALLOWED, {"policy_version": policy.version, "policy_digest": policy.digest}
        )

    @property
    def trusts(self) -> Sequence[CallerTrust]:
        """What callers are held to, at each listener."""
        return [edge.trust for edge in (self.edge, self.dogtag) if edge is not None]

    def _trust_by(self, admissions: Admissions) -> None:
        self.edge.trust = admissions.api.trust
        if self.dogtag is not None and admissions.dogtag is not None:
            self.dogtag.trust = admissions.dogtag.trust

    def _require_approvals(self, policy: Policy) -> None:
        """Look a policy over before a worker has to end for one that reads it.

        The front judges nothing: workers do, by what the token remembers. But one at a socket of
        its own has no room for a successor, and a mistake must empty no place.

        Raises:
            ApprovalRefused: workers would refuse it.
        """
        if self.operations.is_approved:
            before = self.operations.policy
            require_successor(
                PolicyIdentity(policy.version, policy.digest),
                policy.approvals,
                PolicyIdentity(before.version, before.digest),
            )

    async def _record(self, outcome: Outcome, details: dict[str, str | int | bool]) -> None:
        try:
            await self.edge.audit.record(
                Decision(operation="daemon.reload", outcome=outcome, details=details)
            )
        except ServiceError:
            # The log says of itself that it cannot be written, and that something is missing.
            LOG.error("the reload could not be recorded")


def _in_a_line(reason: str) -> str:
    return "; ".join(reason.splitlines())[:_LONGEST_REASON]
