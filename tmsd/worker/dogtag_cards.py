"""Cards that a TPS of Dogtag tells of: what the policy has for them, and what the TPS gets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hsm.operation import Operation
from tmsd.clock import now, now_ms
from tmsd.config.callers import Caller
from tmsd.config.dogtag import DogtagTps
from tmsd.config.key_sets import KeySet, Scp
from tmsd.errors import Code, ServiceError, faults_at
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Use
from tmsd.globalplatform.protocols import PROTOCOLS, SecureChannelProtocol
from tmsd.vault.dogtag_messages import DogtagCard
from tmsd.worker import admission, card_keys, leaving, vouchers
from tmsd.worker.card_keys import CardIdentity
from tmsd.worker.context import Context
from tmsd.worker.hsm_key import HsmKey
from tmsd.worker.vouchers import VouchedCard


@dataclass(frozen=True, slots=True)
class Admitted:
    """A card of a key set that its TPS may use, in a version that is active.

    Attributes:
        caller: the TPS.
        tps: what holds for it.
        key_set: of the card.
        told: what the TPS tells of the card.
    """

    caller: Caller
    tps: DogtagTps
    key_set: KeySet
    told: DogtagCard

    @property
    def protocol(self) -> SecureChannelProtocol[Any]:
        """The protocol that the key set's cards speak."""
        return PROTOCOLS[int(self.key_set.scp)]

    @property
    def in_channels(self) -> CardIdentity:
        """What determines the keys that its channels come from."""
        told = self.told
        data = admission.diversification_data(self.key_set, told.kdd, told.cuid)
        return CardIdentity(self.key_set, told.key_version, data)

    @property
    def outside_channels(self) -> CardIdentity:
        """What determines its static DEK."""
        data = admission.static_data(self.key_set, self.told.kdd, self.told.cuid)
        return CardIdentity(self.key_set, self.told.key_version, data)

    @property
    def vouched(self) -> VouchedCard:
        """What a voucher for it says."""
        told, scp = self.told, int(self.key_set.scp)
        return VouchedCard(
            self.caller.name, self.key_set.name, told.key_version, scp, told.kdd, told.cuid
        )

    def require_scp(self, *served: Scp) -> None:
        """Refuse a key set of another protocol than these.

        Raises:
            ServiceError: `protocol-mismatch`.
        """
        if self.key_set.scp not in served:
            raise ServiceError(
                Code.PROTOCOL_MISMATCH,
                f"key set {self.key_set.name} is for SCP{self.key_set.scp}, not for "
                f"{' or '.join(f'SCP{scp}' for scp in served)}",
            )


def admit(context: Context, caller_name: str, key_set_name: str, told: DogtagCard) -> Admitted:
    """Return a card as the policy has it.

    Raises:
        ServiceError: `caller-unknown`, `role-missing`, `key-set-unknown`, `key-version-unknown`,
            `key-version-not-yet-active`, `key-version-retired`.
    """
    caller, tps = admission.dogtag_caller(context.policy, caller_name)
    with faults_at("/key_set"):
        key_set = admission.usable_key_set(context.policy, caller, key_set_name)
    with faults_at("/card/key_version"):
        key_set.require_active(told.key_version, now())
    return Admitted(caller, tps, key_set, told)


def voucher(
    context: Context, card: Admitted, sequence_counter: bytes = vouchers.NO_COUNTER
) -> bytes:
    """Return proof that the TPS has session keys of a card."""
    version = context.challenge_key_version
    return vouchers.make(context.keyring, version, card.vouched, now_ms(), sequence_counter)


def recent_sequence_counter(context: Context, card: Admitted, shown: bytes | None) -> bytes:
    """Return the sequence counter of the session that a voucher is for.

    Raises:
        ServiceError: `session-invalid`, `session-foreign`, `session-expired`.
    """
    if shown is None:
        raise vouchers.missing()
    return vouchers.verify(context.keyring, shown, card.vouched, now_ms())


def require_recent_session(context: Context, card: Admitted, shown: bytes | None) -> None:
    """Refuse what needs a session before it, unless the policy lets the TPS do without.

    Raises:
        ServiceError: `session-invalid`, `session-foreign`, `session-expired`.
    """
    if card.tps.require_recent_session:
        recent_sequence_counter(context, card, shown)


@dataclass(frozen=True, slots=True)
class Deriving:
    """Deriving cards' keys for one request.

    Attributes:
        context: has the master keys.
        operation: owns what is derived.
    """

    context: Context
    operation: Operation

    def static_key(
        self,
        card: CardIdentity,
        role: Role,
        use: Use = Use.CARD_KEY,
        base: type[HsmKey] = HsmKey,
    ) -> HsmKey:
        """Derive a card's static key; `base` gives its attributes."""
        over = partial(base, self.operation)
        return card_keys.derive(self.context.keyring, over, card, [role], use)[role]

    def static_dek(self, card: Admitted) -> HsmKey:
        """Derive a card's static DEK, which encrypts keys and data for it."""
        return self.static_key(card.outside_channels, Role.DEK, Use.DEK)

    def opening_keys(self, card: Admitted) -> dict[Role, HsmKey]:
        """Derive what session keys come from, at once."""
        over = partial(HsmKey, self.operation)
        roles = (Role.MAC, Role.ENC)
        return card_keys.derive(self.context.keyring, over, card.in_channels, roles)


def delivered(
    context: Context,
    card: Admitted,
    derive: Callable[[type[HsmKey]], dict[str, HsmKey]],
    *,
    static_dek: bool = False,
) -> tuple[dict[str, bytes], bool]:
    """Encrypt keys, by name, under the secret that the TPS shares, in Dogtag's way.

    Args:
        context: has it.
        card: whose keys they are, and which TPS gets them.
        derive: derives them over base keys of a class.
        static_dek: whether the card's static DEK is among them, which is readable only where its
            own key set says so, too.

    Returns:
        The encrypted keys, and whether one's value was in this process's memory.

    Raises:
        ServiceError: `key-missing`, `mechanism-unavailable`.
    """
    transport = context.policy.transport_keys[str(card.caller.transport_key)]
    setting = f"transport_keys.{transport.name}"
    may_be_read = transport.allow_key_material_in_worker
    if may_be_read and static_dek:
        setting = f"key_sets.{card.key_set.name}"
        may_be_read = card.key_set.allow_key_material_in_worker
    return leaving.under_transport_key(
        context.keyring.transport_key(transport),
        derive,
        may_be_read=may_be_read,
        setting=setting,
        as_dogtag=True,
    )
