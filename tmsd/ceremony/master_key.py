"""Which key of the token a key set of the policy means, and what that key must be."""

from collections.abc import Mapping
from dataclasses import dataclass

from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, KeyReference, KeyShape
from tmsd.ceremony.refusal import Refused
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import Policy

# Three-key triple DES comes first: it is what is generated.
SHAPES: Mapping[KeyAlgorithm, tuple[KeyShape, ...]] = {
    KeyAlgorithm.AES128: (AES_128,),
    KeyAlgorithm.AES192: (AES_192,),
    KeyAlgorithm.AES256: (AES_256,),
    KeyAlgorithm.DES3: (DES3, DES2),
}


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A version of the master key of a key set, whether it is in the token or not.

    Attributes:
        reference: the label and the version (1 to 255) that it has in the token.
        algorithm: what it is a key of.
        factory: whether it may be one of the keys that card makers publish.
    """

    reference: KeyReference
    algorithm: KeyAlgorithm
    factory: bool


def master_key(policy: Policy, key_set_name: str, version: int) -> MasterKey:
    """Return the master key that a version of a key set has, or will have.

    The version need not stand in the policy yet: a key is best there before it is named.

    Raises:
        Refused: the policy has no such key set.
    """
    key_set = policy.key_sets.get(key_set_name)
    if key_set is None:
        known = ", ".join(policy.key_sets) or "none"
        raise Refused(
            f"{policy.source} has no key set {key_set_name!r}, only {known}: add it there first"
        )
    sharing = [
        other for other in policy.key_sets.values() if other.master_key == key_set.master_key
    ]
    return MasterKey(
        reference=KeyReference(key_set.master_key, version),
        algorithm=key_set.algorithm,
        factory=all(other.factory for other in sharing),
    )


def require_algorithm(key: MasterKey, claimed: KeyAlgorithm) -> None:
    """Make sure that whoever makes a key means what the policy says.

    Raises:
        Refused: they mean another algorithm.
    """
    if claimed is not key.algorithm:
        raise Refused(
            f"{key.reference} is {key.algorithm} in the policy, not {claimed}: "
            "correct one of the two"
        )
