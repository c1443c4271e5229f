"""Reading the policy anew, on SIGHUP: its CAs and their certificates are taken, or the old stay.

What else stands in tmsd.toml takes a restart.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.x509 import Certificate

from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import Policy, load_policy
from tmsd.config.toml import ConfigError, Fault
from tmsd.systemd.journal import Event, about
from tmsd.systemd.notifying import ServiceManager

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reloading:
    """What a reload works on.

    Attributes:
        config_file: tmsd.toml.
        take: makes the responder go by a policy that has CAs.
        manager: is told when it begins and when it is over.
        wanted: is set by the signal, at any time from the start on.
    """

    config_file: Path
    take: Callable[[Policy], None]
    manager: ServiceManager
    wanted: asyncio.Event

    async def whenever_wanted(self, serving: str) -> None:
        """Reload as often as it is wanted, until cancelled.

        Args:
            serving: what the manager is told when it is over.
        """
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            self.manager.reloading()
            self._reload()
            self.manager.ready(serving)

    def _reload(self) -> None:
        try:
            config = load_daemon_config(self.config_file)
            self.take(load_cas(config.policy.file))
        except (ConfigError, OSError) as error:
            refused = about(Event.RELOAD_REFUSED)
            LOG.error("the new configuration is not taken: %s", error, extra=refused)
        else:
            LOG.info("the CAs of the policy are taken", extra=about(Event.RELOADED))


def load_cas(policy_file: Path) -> Policy:
    """Read a policy, which must have CAs to answer for.

    Raises:
        ConfigError: with everything that is wrong in it, or that it has none.
    """
    policy = load_policy(policy_file)
    if not policy.cas:
        raise ConfigError([Fault(policy.source, None, "cas", "must name the CAs to answer for")])
    return policy


def certificates_of(policy: Policy) -> Mapping[str, Certificate]:
    """Return the certificates of a policy's CAs, by their names."""
    return {name: each.certificate for name, each in policy.authorities.by_name.items()}
