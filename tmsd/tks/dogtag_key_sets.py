"""Which key set a card of a TPS of Dogtag belongs to: by its words, protocol and key version."""

from collections.abc import Iterator

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.config.dogtag import DogtagTps
from tmsd.config.key_sets import DiversificationData, KeySet, Scp
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.tks.dogtag_wanted import TpsCard


def settings(caller: Caller) -> DogtagTps:
    """Return what the policy says of a TPS of Dogtag.

    Raises:
        ServiceError: `role-missing`: it is none.
    """
    if caller.dogtag is None:
        raise ServiceError(Code.ROLE_MISSING, f"{caller.name} is not a TPS of Dogtag")
    return caller.dogtag


def of_card(policy: Policy, caller: Caller, card: TpsCard, trail: Trail) -> KeySet:
    """Return the key set that a card belongs to, and put the card on record.

    Raises:
        ServiceError: `key-set-unknown`, `key-version-unknown`, `key-version-not-yet-active`,
            `key-version-retired`.
    """
    trail.diversification_data = card.kdd
    trail.key_version = card.key_version
    fitting = _fitting(policy, caller, card.key_set, card.scp)
    key_set = next((each for each in fitting if card.key_version in each.versions), None)
    if key_set is None:
        raise ServiceError(
            Code.KEY_VERSION_UNKNOWN,
            f"no key set of keySet has SCP{card.scp} and version {card.key_version}",
            pointer="/KeyInfo",
        )
    trail.key_set = key_set.name
    if key_set.diversification_data is not DiversificationData.KDD:
        trail.diversification_data = card.cuid
    key_set.require_active(card.key_version, clock.now())
    return key_set


def with_version(
    policy: Policy, caller: Caller, named: str | None, scp: Scp, version: int
) -> KeySet:
    """Return the key set of a card's new keys.

    Raises:
        ServiceError: `key-set-unknown`; `key-version-unknown`, at `newKeyInfo`.
    """
    for key_set in _fitting(policy, caller, named, scp):
        if version in key_set.versions:
            return key_set
    raise ServiceError(
        Code.KEY_VERSION_UNKNOWN,
        f"no key set of keySet has SCP{scp} and version {version}",
        pointer="/newKeyInfo",
    )


def _fitting(policy: Policy, caller: Caller, named: str | None, scp: Scp) -> Iterator[KeySet]:
    tps = settings(caller)
    names = tps.key_sets.get(tps.default_key_set if named is None else named)
    if names is None:
        raise ServiceError(
            Code.KEY_SET_UNKNOWN,
            f"{caller.name} has no keySet of that name",
            pointer="/keySet",
        )
    for name in names:
        key_set = policy.key_sets.get(name)
        if key_set is not None and key_set.scp is scp and caller.may_use(name):
            yield key_set
