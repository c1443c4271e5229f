"""What the policy says to a request: which key set, version, protocol and level it may use.

The front asks the same questions to give good answers early; what counts is decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from tmsd.config.callers import Caller, Delivery, Protocol, Role
from tmsd.config.dogtag import DogtagTps
from tmsd.config.key_sets import DiversificationData, KeySet, Scp
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError, faults_at
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.protocols import PROTOCOLS


def tks_caller(policy: Policy, name: str) -> Caller:
    """Return a caller of the policy that may use the Token Key Service by its API.

    Raises:
        ServiceError: `caller-unknown`, `role-missing`.
    """
    caller = any_tks_caller(policy, name)
    if caller.protocol is not Protocol.API:
        raise ServiceError(
            Code.ROLE_MISSING, f"{name} speaks the protocol of {caller.protocol}, and no other"
        )
    return caller


def dogtag_caller(policy: Policy, name: str) -> tuple[Caller, DogtagTps]:
    """Return a caller that uses the Token Key Service as a TPS of Dogtag, and what holds for it.

    Raises:
        ServiceError: `caller-unknown`, `role-missing`.
    """
    caller = any_tks_caller(policy, name)
    if caller.protocol is not Protocol.DOGTAG or caller.dogtag is None:
        raise ServiceError(Code.ROLE_MISSING, f"{name} is not a TPS of Dogtag")
    return caller, caller.dogtag


def any_tks_caller(policy: Policy, name: str) -> Caller:
    """Return a caller of the policy that may use the Token Key Service in whichever way.

    Raises:
        ServiceError: `caller-unknown`, `role-missing`.
    """
    caller = policy.callers.get(name)
    if caller is None:
        raise ServiceError(Code.CALLER_UNKNOWN, f"the policy has no caller {name!r}")
    if Role.TPS not in caller.roles:
        raise ServiceError(Code.ROLE_MISSING, f"{name} does not have the role {Role.TPS}")
    return caller


def require_delivery(caller: Caller, delivery: Delivery) -> None:
    """Refuse a delivery that the caller may not have.

    Raises:
        ServiceError: `delivery-not-allowed`.
    """
    if delivery not in caller.deliveries:
        raise ServiceError(
            Code.DELIVERY_NOT_ALLOWED,
            f"delivery {delivery} is not open to {caller.name}",
            pointer="/delivery",
        )


def usable_key_set(policy: Policy, caller: Caller, name: str) -> KeySet:
    """Return a key set that the caller may use.

    Raises:
        ServiceError: `key-set-unknown`, whether there is no such set or it is another's.
    """
    key_set = policy.key_sets.get(name)
    if key_set is None or not caller.may_use(name):
        raise ServiceError(Code.KEY_SET_UNKNOWN, f"{caller.name} may use no key set {name!r}")
    return key_set


def accepted_i(key_set: KeySet, card: InitializeUpdateResponse, claimed: int | None) -> int:
    """Return the implementation "i" to go by: the card's word, the caller's, or the default.

    Raises:
        ServiceError: `protocol-mismatch`.
    """
    if card.scp != int(key_set.scp):
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"the card speaks SCP{card.scp:02x}; key set {key_set.name} is for SCP{key_set.scp}",
        )
    if None not in (card.i, claimed) and card.i != claimed:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"the card says i={card.i:02x}, not {claimed:02x}",
            pointer="/card/scp_i",
        )
    i = card.i if card.i is not None else claimed if claimed is not None else key_set.scp_i[0]
    if i not in key_set.scp_i:
        accepted = ", ".join(f"{value:02x}" for value in key_set.scp_i)
        raise ServiceError(
            Code.PROTOCOL_MISMATCH, f"i={i:02x}; key set {key_set.name} accepts {accepted}"
        )
    return i


def accepted_level(key_set: KeySet, i: int, level: int) -> SecurityLevel:
    """Return a security level that the card's i has and that is not below the key set's least.

    Raises:
        ServiceError: `level-not-supported`.
    """
    served = _levels_served(key_set.scp, i, key_set.min_security_level)
    if level not in served:
        raise ServiceError(
            Code.LEVEL_NOT_SUPPORTED,
            f"security level {level:02x}; key set {key_set.name} is served at"
            f" {', '.join(f'{each:02x}' for each in served) or 'none'} with i={i:02x}",
            pointer="/security_level",
        )
    return served[level]


@cache
def _levels_served(scp: Scp, i: int, least: int) -> Mapping[int, SecurityLevel]:
    """Return the levels of a protocol and an i that have all of `least`, by their bytes."""
    levels = sorted(PROTOCOLS[int(scp)].levels(i))
    return {int(level): level for level in levels if int(level) & least == least}


def require_channel(key_set: KeySet, scp: int, state: ChannelState) -> None:
    """Refuse a channel whose protocol, i or level the key set no longer accepts.

    Raises:
        ServiceError: `protocol-mismatch`, `level-not-supported`.
    """
    if scp != int(key_set.scp) or state.i not in key_set.scp_i:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"key set {key_set.name} no longer accepts SCP{scp:02x} with i={state.i:02x}",
        )
    accepted_level(key_set, state.i, state.level)


def diversification_data(key_set: KeySet, kdd: bytes, cuid: bytes) -> bytes:
    """Return the 10 bytes that tell this card from others; `cuid` is empty where unknown.

    They are those of its channels; where another use of its keys has others, `static_data` has.

    Raises:
        ServiceError: `request-invalid`, where the key set goes by CUID and none was sent.
    """
    if key_set.diversification_data is DiversificationData.KDD:
        return kdd
    return _required_cuid(key_set, cuid)


def static_data(key_set: KeySet, kdd: bytes, cuid: bytes) -> bytes:
    """Return the 10 bytes for keys outside channels: those that a card is to get, a static DEK.

    Raises:
        ServiceError: `request-invalid`, where the key set goes by CUID and none was sent.
    """
    if key_set.diversification_data is not DiversificationData.CUID:
        return kdd
    return _required_cuid(key_set, cuid)


def _required_cuid(key_set: KeySet, cuid: bytes) -> bytes:
    if not cuid:
        raise ServiceError(
            Code.REQUEST_INVALID,
            f"key set {key_set.name} goes by the card's CUID, 10 bytes: send it",
            pointer="/card/cuid",
        )
    return cuid


@dataclass(frozen=True, slots=True)
class WantedKeys:
    """Which keys a card shall get: a key set, None for that of its channel, and a version."""

    key_set: str | None
    version: int


def change_target(
    policy: Policy, caller: Caller, key_set: KeySet, wanted: WantedKeys, now: datetime
) -> KeySet:
    """Return the key set that a caller may change a card over to.

    A way without a version leads to the newest that is active.

    Raises:
        ServiceError: `change-not-allowed`; `key-version-not-yet-active`.
    """
    name = wanted.key_set or key_set.name
    ways = [target for target in key_set.ways if target.key_set == name]
    if not any(way.version in (None, wanted.version) for way in ways):
        allowed = (*key_set.change_to, *key_set.change_back_to)
        raise _change_not_allowed(key_set, name, wanted.version, allowed)
    if not caller.may_use(name):
        raise ServiceError(
            Code.CHANGE_NOT_ALLOWED,
            f"{caller.name} may use no key set {name!r}, and changes no card over to it",
            pointer="/new_key_set",
        )
    target = policy.key_sets[name]
    with faults_at("/new_key_version"):
        target.require_active(wanted.version, now)
    newest = target.newest_version(now)
    if not any((way.version or newest) == wanted.version for way in ways):
        raise _change_not_allowed(key_set, name, wanted.version, [f"{name}:{newest}"])
    return target


def _change_not_allowed(
    key_set: KeySet, name: str, version: int, ways: Sequence[str]
) -> ServiceError:
    allowed = ", ".join(ways[:8]) or "nowhere"
    return ServiceError(
        Code.CHANGE_NOT_ALLOWED,
        f"key set {key_set.name} may change to {allowed}, not to {name}:{version}",
        pointer="/new_key_version",
    )
