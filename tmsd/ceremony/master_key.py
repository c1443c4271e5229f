"""Which keys of the token are the master keys of the policy's key sets."""

from collections.abc import Iterator

from hsm.keys import KeyReference
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeySet
from tmsd.config.policy import Policy
from tmsd.globalplatform.diversification import EXPOSED_SCHEMES, Role


def master_key(
    policy: Policy, key_set_name: str, version: int, role: Role | None = None
) -> WantedKey:
    """Return the master key that a version of a key set has, or will have.

    The version need not stand in the policy yet: a key is best there before it is named.

    Args:
        policy: has the key set.
        key_set_name: its name.
        version: of the key, 1 to 255.
        role: which of the master keys, where the key set has three.

    Raises:
        Refused: the policy has no such key set, or the role is missing or too much.
    """
    key_set = policy.key_sets.get(key_set_name)
    if key_set is None:
        known = ", ".join(policy.key_sets) or "none"
        raise Refused(
            f"{policy.source} has no key set {key_set_name!r}, only {known}: add it there first"
        )
    if key_set.master_keys is not None and role is None:
        raise Refused(
            f"key set {key_set_name} has a master key for each role: "
            "say whether enc, mac or dek is meant"
        )
    if key_set.master_keys is None and role is not None:
        raise Refused(f"key set {key_set_name} has one master key for all roles: name no role")
    return _wanted(policy, key_set, key_set.labels[role or Role.ENC], version)


def master_keys(policy: Policy) -> Iterator[tuple[WantedKey, str]]:
    """Yield each master key that the policy names, and for what: `key set demo (active)`.

    A key that several key sets name comes once for each.
    """
    for key_set in policy.key_sets.values():
        for version, state in key_set.versions.items():
            for label in dict.fromkeys(key_set.labels.values()):
                described = f"key set {key_set.name}{_roles(key_set, label)} ({state})"
                yield _wanted(policy, key_set, label, version), described


def _wanted(policy: Policy, key_set: KeySet, label: str, version: int) -> WantedKey:
    sharing = [other for other in policy.key_sets.values() if label in other.labels.values()]
    if key_set.diversification in EXPOSED_SCHEMES:
        purpose = Purpose.HMAC_MASTER
    elif any(other.undiversified for other in sharing):
        purpose = Purpose.UNDIVERSIFIED
    else:
        purpose = Purpose.MASTER
    return WantedKey(
        reference=KeyReference(label, version),
        algorithm=key_set.algorithm,
        purpose=purpose,
        factory=all(other.factory for other in sharing),
    )


def _roles(key_set: KeySet, label: str) -> str:
    """Return ` enc` for a master key of that role, and nothing for one of all roles."""
    roles = [role.name.lower() for role, held in key_set.labels.items() if held == label]
    return f" {'+'.join(roles)}" if len(roles) < len(Role) else ""
