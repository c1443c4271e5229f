"""Who needs a key that is to be destroyed: the policy, daemons whose workers use it, and cards.

Policy and database are those of the daemons that use the token, of which there may be several over
one database (docs/decisions/0035-a-key-is-destroyed-when-nobody-holds-it.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

from sqlalchemy import Connection

from hsm.data_objects import read_documents
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.ceremony.destruction_refusal import DestructionRefused, DestructionRule
from tmsd.ceremony.steps.enrol_quorum import pinned_quorum
from tmsd.clock import monotonic, now_ms
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.policy import Policy, UsedKey, load_policy
from tmsd.config.reserved_keys import POLICY_DOCUMENT
from tmsd.config.toml import ConfigError
from tmsd.database import read_store
from tmsd.plain_text import plain
from tmsd.quorum import policy_in_force
from tmsd.quorum.policy_approval import PolicyIdentity
from tmsd.quorum.policy_in_force import require_in_force
from tmsd.store import cards_seen, held_keys
from tmsd.store.cards_seen import SeenCard
from tmsd.store.error import StoreError
from tmsd.store.held_keys import HeldKey, Holder

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
_LOOKING_SECONDS = 0.5
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class CardsOnKey:
    """The cards that were last seen with a key.

    Attributes:
        count: how many.
        first: some of them.
        recorded: whether there is a database that would know.
    """

    count: int
    first: tuple[SeenCard, ...]
    recorded: bool = True

    @property
    def told(self) -> str:
        """All of it in words."""
        if not self.recorded:
            return "none, as no daemon has made the database yet"
        if not self.count:
            return "none"
        some = ", ".join(card.diversification_data.hex() for card in self.first)
        more = self.count - len(self.first)
        how_many = "1 card" if self.count == 1 else f"{self.count} cards"
        return f"{how_many}: {some}" + (f" and {more} more" if more else "")


@dataclass(frozen=True, slots=True)
class KeyUsers:
    """Those who may use keys of a token, as configuration and policy of the daemons have it."""

    config: DaemonConfig
    policy: Policy

    def require_out_of_use(self, key: KeyReference) -> None:
        """Refuse a key that the policy lets workers use.

        Raises:
            DestructionRefused: `key-in-use`.
        """
        if UsedKey(key.label, key.version) in set(self.policy.used_keys()):
            raise DestructionRefused(
                DestructionRule.KEY_IN_USE,
                f"policy version {self.policy.version} ({self.policy.source}) uses {key}: "
                "have a policy take effect that retires it, or does not name it",
            )

    def cards_on(self, key: KeyReference) -> CardsOnKey:
        """Return the cards that were last seen with a master key.

        Raises:
            DestructionRefused: `key-users-unknown`.
        """
        names = [
            key_set.name
            for key_set in self.policy.key_sets.values()
            if key.label in key_set.labels.values()
        ]
        seen = partial(_cards_on, key_sets=names, version=key.version)
        return self._read(seen, CardsOnKey(0, (), recorded=False))

    def require_dropped(
        self,
        key: KeyReference,
        tell: Callable[[str], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Wait until no worker of any daemon uses a key.

        Args:
            key: which one.
            tell: is told for whom it waits, each time that this changes.
            patience_seconds: how long it waits.

        Raises:
            DestructionRefused: `key-held`, naming who does; `key-users-unknown`.
        """
        used = HeldKey(key.label, key.version)
        until, told = monotonic() + patience_seconds, list[str]()
        while held := self._read(
            lambda connection: held_keys.holders(connection, used, now_ms()), list[Holder]()
        ):
            words = "; ".join(map(_described, held))
            if (daemons := [holder.daemon.id for holder in held]) != told:
                tell(
                    f"Waiting, for {patience_seconds:.0f} seconds at most, until workers have "
                    f"dropped {key}: {words}"
                )
                told = daemons
            if monotonic() >= until:
                raise DestructionRefused(
                    DestructionRule.KEY_HELD,
                    f"{key} may still be used by workers of {words}: "
                    "reload those daemons, or stop them",
                )
            Event().wait(_LOOKING_SECONDS)

    def _read(self, job: Callable[[Connection], T], without: T) -> T:
        """Return what a job reads, or something else where no daemon has made a database yet."""
        store = self.config.store
        if store.url is None and not store.file.exists():
            return without
        try:
            return read_store(store, job)
        except StoreError as error:
            raise DestructionRefused(DestructionRule.KEY_USERS_UNKNOWN, str(error)) from error


def users_in_ceremony(token: Token, configuration: Path | None) -> KeyUsers | None:
    """Return who may use keys of a token; None where no daemon can.

    Args:
        token: whose keys.
        configuration: tmsd.toml of the daemons, as the binding has it.

    Raises:
        DestructionRefused: `key-users-unknown`: the token knows a policy, so that there may be
            daemons; or their configuration or policy is not right.
        ApprovalRefused: their policy is not the one in force.
        HsmError: the token refuses.
    """
    remembered = [policy_in_force.decode(each) for each in read_documents(token, POLICY_DOCUMENT)]
    if configuration is None:
        if remembered:
            raise DestructionRefused(
                DestructionRule.KEY_USERS_UNKNOWN,
                "the token knows a policy, by which daemons may serve: "
                "have the binding name their tmsd.toml as configuration",
            )
        return None
    try:
        config = load_daemon_config(configuration)
        policy = load_policy(config.policy.file)
    except ConfigError as error:
        raise DestructionRefused(DestructionRule.KEY_USERS_UNKNOWN, str(error)) from error
    quorum = pinned_quorum(token)
    if remembered and quorum is not None:
        identity = PolicyIdentity(policy.version, policy.digest)
        require_in_force(identity, policy.approvals, quorum, remembered)
    return KeyUsers(config, policy)


def _cards_on(connection: Connection, key_sets: Sequence[str], version: int) -> CardsOnKey:
    count = sum(cards_seen.counts(connection, name).get(version, 0) for name in key_sets)
    first = [
        card
        for name in key_sets
        for card in cards_seen.page(connection, name, version, None, _MOST_SHOWN)
    ]
    return CardsOnKey(count, tuple(first[:_MOST_SHOWN]))


def _described(holder: Holder) -> str:
    told = datetime.fromtimestamp(holder.told_ms // 1000, UTC)
    gone = datetime.fromtimestamp((holder.told_ms + held_keys.GONE_AFTER_MS) // 1000, UTC)
    return (
        f"tmsd {plain(holder.daemon.id[:8])} on {plain(holder.daemon.host)} "
        f"(heard of at {told:%H:%M:%S}; if it is silent, gone from {gone:%H:%M:%S} UTC on)"
    )
