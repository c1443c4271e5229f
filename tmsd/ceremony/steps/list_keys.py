"""Step: list the token's keys beside what the policy and the daemon want of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.master_key import SHAPES
from tmsd.config.key_sets import KeySet
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import SERVICE_KEYS


class KeyState(StrEnum):
    """Whether a key can do what it is there for."""

    RIGHT = "right"
    MISSING = "missing"
    DOUBLED = "there twice"
    UNSUITABLE = "wrong algorithm"
    UNUSED = "not in the policy"


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key that is in the token, or should be.

    Attributes:
        reference: its label and version.
        found: what the token holds; None for a missing key.
        used_by: what uses it, as `key set demo (active)` or `the daemon`.
        state: whether that works.
    """

    reference: KeyReference
    found: DescribedKey | None
    used_by: tuple[str, ...]
    state: KeyState


def list_keys(token: Token, policy: Policy) -> list[ListedKey]:
    """Return the keys that are in the token and those that should be, by label and version.

    Raises:
        KeyUnsuitable: the token holds a secret key that is neither AES nor triple DES.
        HsmError: the token refuses, or is gone.
    """
    there = [describe(reference, key) for reference, key in token.list_keys()]
    held = [key.reference for key in there]
    listed = [_listed(key, policy, doubled=held.count(key.reference) > 1) for key in there]
    listed += [
        ListedKey(reference, None, _used_by(reference, policy), KeyState.MISSING)
        for reference in dict.fromkeys(_wanted(policy, held))
        if reference not in held
    ]
    return sorted(listed, key=lambda key: (key.reference.label, key.reference.version))


def _wanted(policy: Policy, held: Sequence[KeyReference]) -> Iterator[KeyReference]:
    for key_set in policy.key_sets.values():
        for version in key_set.versions:
            yield KeyReference(key_set.master_key, version)
    labels = {reference.label for reference in held}
    for label in SERVICE_KEYS:
        if label not in labels:  # any version will do
            yield KeyReference(label, 1)


def _listed(key: DescribedKey, policy: Policy, *, doubled: bool) -> ListedKey:
    used_by = _used_by(key.reference, policy)
    algorithms = [key_set.algorithm for key_set in _key_sets(key.reference, policy)]
    if doubled:
        state = KeyState.DOUBLED
    elif any(key.shape not in SHAPES[algorithm] for algorithm in algorithms):
        state = KeyState.UNSUITABLE
    else:
        state = KeyState.RIGHT if used_by else KeyState.UNUSED
    return ListedKey(key.reference, key, used_by, state)


def _key_sets(reference: KeyReference, policy: Policy) -> list[KeySet]:
    return [
        key_set
        for key_set in policy.key_sets.values()
        if key_set.master_key == reference.label and reference.version in key_set.versions
    ]


def _used_by(reference: KeyReference, policy: Policy) -> tuple[str, ...]:
    if reference.label in SERVICE_KEYS:
        return ("the daemon",)
    return tuple(
        f"key set {key_set.name} ({key_set.versions[reference.version]})"
        for key_set in _key_sets(reference, policy)
    )
