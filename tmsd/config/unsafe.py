"""What a policy allows although it is unsafe, in sentences for people who can change it."""

from collections.abc import Iterator

from tmsd.config.key_sets import KeySet
from tmsd.config.policy import Policy


def warnings(policy: Policy) -> Iterator[str]:
    """Yield a sentence for each thing that the policy allows although it is unsafe."""
    for caller in policy.callers.values():
        if caller.deliver_static_dek:
            yield (
                f"caller {caller.name} is given static data encryption keys of cards (SCP01, "
                "SCP03): whoever has one reads every key that is ever put to its card under it"
            )
    for key_set in policy.key_sets.values():
        yield from _of_key_set(key_set)
    for key in policy.transport_keys.values():
        if key.allow_key_material_in_worker:
            yield (
                f"transport key {key.name} allows session keys into the worker's memory: "
                "whoever reads that memory reads them, and the HSM does not protect them there"
            )


def _of_key_set(key_set: KeySet) -> Iterator[str]:
    if key_set.allow_key_material_in_worker:
        yield (
            f"key set {key_set.name} allows its cards' keys into the worker's memory: "
            "whoever reads that memory reads them, and the HSM does not protect them there"
        )
    if key_set.undiversified:
        yield (
            f"key set {key_set.name} is undiversified: all its cards hold the same keys, "
            "and whoever opens one card has opened them all"
        )
    if key_set.factory:
        yield (
            f"key set {key_set.name} holds factory keys, which everybody knows: use it "
            "only to take fresh cards over into keys of their own"
        )
