"""A worker for callers, or for the appliance: its policy, its own keys, and known answers."""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.policy import Policy, load_policy
from tmsd.config.reserved_keys import CERTIFICATE_KEY, CHALLENGE_KEY, CHANNEL_KEY, RECEIPT_KEY
from tmsd.vault.worker_messages import PolicyApproval
from tmsd.worker.answers import service
from tmsd.worker.context import Context
from tmsd.worker.inventory import require_inventory
from tmsd.worker.keyring import Identities, KeyName, Keyring, PairName
from tmsd.worker.policy_in_force import require_policy
from tmsd.worker.receipts import Receipts
from tmsd.worker.self_test import require_known_answers
from tmsd.worker.start import Begun, Opening, begin

LOG = logging.getLogger(__name__)


def begin_for_callers(config_file: Path, *, for_appliance: bool) -> Begun[Context]:
    """Read configuration and policy, log in, find the keys, and have the token give known answers.

    Args:
        config_file: tmsd.toml.
        for_appliance: whether the appliance itself asks, and no callers.

    Raises:
        ConfigError: configuration or policy are not right.
        HsmError: the token is not there, or derives what is wrong.
        ApprovalRefused: the policy is not in force, or keys are not as the inventory has them.
    """
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    _warn_of_exceptions(policy)
    tested = _Testing(config, policy, for_appliance).tested
    worker = config.worker
    opening = Opening(config.hsm, worker.start_seconds, worker.call_seconds, tested)
    begun = begin(opening, policy, lambda name: service(Receipts(name)))
    context = begun.generations.context
    if context is None or context.governed is None:
        return begun
    in_force = context.governed.policy
    approval = PolicyApproval(approved_by=list(in_force.approved_by), activated=in_force.activated)
    return replace(
        begun, announcement=structs.replace(begun.announcement, policy_approval=approval)
    )


@dataclass(slots=True)
class _Testing:
    """What a login has to show before anybody is served.

    Attributes:
        config: of the daemon.
        policy: as it was read.
        for_appliance: whether the appliance itself asks, and no callers.
        had_quorum: whether the token had a quorum in an earlier login.
    """

    config: DaemonConfig
    policy: Policy
    for_appliance: bool
    had_quorum: bool = False

    def tested(self, token: Token, before: Identities, gone: Collection[KeyName]) -> Context:
        context = self._context(token)
        inventory = self.config.hsm.inventory
        require_inventory(token, context.keyring, inventory, _references(self.policy))
        context.keyring.look_for(_references(self.policy))
        context.keyring.require(before, gone)
        right = require_known_answers(token, for_cards=bool(self.policy.key_sets))
        LOG.info("known answers are right: %s", ", ".join(right) or "none, as cards have none")
        return context

    def _context(self, token: Token) -> Context:
        keyring = Keyring(token)
        channel_key_version = keyring.latest_version(CHANNEL_KEY)
        # From here on the keyring holds a key, which tells a lost token from a missing key.
        keyring.service_mac(CHANNEL_KEY, channel_key_version, b"")
        governed = require_policy(token, keyring, self.policy, had_quorum=self.had_quorum)
        self.had_quorum = governed is not None
        limits = self.config.limits
        return Context(
            token=token,
            keyring=keyring,
            policy=self.policy,
            channel_key_version=channel_key_version,
            challenge_key_version=keyring.latest_version(CHALLENGE_KEY),
            receipt_key_version=keyring.latest_version(RECEIPT_KEY),
            certificate_key_version=(
                keyring.latest_version(CERTIFICATE_KEY) if self.policy.cas else None
            ),
            for_appliance=self.for_appliance,
            session_seconds=limits.session_seconds,
            challenge_seconds=limits.challenge_seconds,
            governed=governed,
        )


def _references(policy: Policy) -> Iterator[KeyName]:
    """Yield the keys that a policy names, but for retired ones, of which nothing is held."""
    for label, version in policy.used_keys():
        yield KeyReference(label, version)
    for ca in policy.cas.values():
        yield PairName(KeyReference(ca.label, ca.version))
        if ca.ocsp is not None:
            yield PairName(KeyReference(ca.ocsp.label, ca.ocsp.version))


def _warn_of_exceptions(policy: Policy) -> None:
    for key_set in policy.key_sets.values():
        if key_set.factory:
            LOG.warning("key set %s holds factory keys, which everybody knows", key_set.name)
        if key_set.undiversified:
            LOG.warning("key set %s is undiversified: all cards share its keys", key_set.name)
