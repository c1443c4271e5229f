"""Step: list the token's keys beside what the policy and the daemon want of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hsm.keys import KeyReference, KeyShape
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.master_key import master_keys
from tmsd.ceremony.transport_key import transport_keys
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
        used_by: what uses it, as `key set demo (active)`, `key set demo enc (active)`,
            `transport key tps` or `the daemon`.
        state: whether that works.
    """

    reference: KeyReference
    found: DescribedKey | None
    used_by: tuple[str, ...]
    state: KeyState


@dataclass(frozen=True, slots=True)
class _Use:
    """Something that uses a key, and what the key may be for it."""

    by: str
    shapes: tuple[KeyShape, ...]


def list_keys(token: Token, policy: Policy) -> list[ListedKey]:
    """Return the keys that are in the token and those that should be, by label and version.

    A retired key need not be there any more.

    Raises:
        KeyUnsuitable: the token holds a secret key of an unknown kind.
        HsmError: the token refuses, or is gone.
    """
    there = [describe(reference, key) for reference, key in token.list_keys()]
    held = [key.reference for key in there]
    uses = _uses(policy)
    listed = [_listed(key, uses, doubled=held.count(key.reference) > 1) for key in there]
    listed += [
        ListedKey(reference, None, _used_by(reference, uses), KeyState.MISSING)
        for reference in _wanted(policy, held)
        if reference not in held
    ]
    return sorted(listed, key=lambda key: (key.reference.label, key.reference.version))


def _uses(policy: Policy) -> Mapping[KeyReference, Sequence[_Use]]:
    uses: dict[KeyReference, list[_Use]] = {}
    for key, by in (*master_keys(policy), *transport_keys(policy)):
        uses.setdefault(key.reference, []).append(_Use(by, key.token_shapes))
    return uses


def _wanted(policy: Policy, held: Sequence[KeyReference]) -> Iterator[KeyReference]:
    for label, version in dict.fromkeys(policy.used_keys()):
        yield KeyReference(label, version)
    labels = {reference.label for reference in held}
    for label in SERVICE_KEYS:
        if label not in labels:  # any version will do
            yield KeyReference(label, 1)


def _listed(
    key: DescribedKey, uses: Mapping[KeyReference, Sequence[_Use]], *, doubled: bool
) -> ListedKey:
    used_by = _used_by(key.reference, uses)
    if doubled:
        state = KeyState.DOUBLED
    elif any(key.shape not in use.shapes for use in uses.get(key.reference, ())):
        state = KeyState.UNSUITABLE
    else:
        state = KeyState.RIGHT if used_by else KeyState.UNUSED
    return ListedKey(key.reference, key, used_by, state)


def _used_by(
    reference: KeyReference, uses: Mapping[KeyReference, Sequence[_Use]]
) -> tuple[str, ...]:
    if reference.label in SERVICE_KEYS:
        return ("the daemon",)
    return tuple(use.by for use in uses.get(reference, ()))
