"""A card's static keys, derived in the token from the master keys of its key set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hsm.keys import TokenKey
from tmsd.config.key_sets import KeyAlgorithm, KeySet
from tmsd.globalplatform import diversification
from tmsd.globalplatform.diversification import EXPOSED_SCHEMES, Role, Target
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.worker import exposed
from tmsd.worker.hsm_key import HsmKey
from tmsd.worker.keyring import Keyring

ALGORITHMS = {
    KeyAlgorithm.DES3: Algorithm.DES2,
    KeyAlgorithm.AES128: Algorithm.AES_128,
    KeyAlgorithm.AES192: Algorithm.AES_192,
    KeyAlgorithm.AES256: Algorithm.AES_256,
}


@dataclass(frozen=True, slots=True)
class CardIdentity:
    """What determines a card's static keys.

    Attributes:
        key_set: has the scheme and the master keys' labels.
        key_version: of the master keys, 1 to 255.
        diversification_data: 10 bytes, the card's KDD or CUID.
    """

    key_set: KeySet
    key_version: int
    diversification_data: bytes

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of the card's keys."""
        return ALGORITHMS[self.key_set.card_algorithm]

    @property
    def is_exposed(self) -> bool:
        """Whether the card's keys pass through this process, as the key set allows."""
        return self.key_set.diversification in EXPOSED_SCHEMES


def derive(
    keyring: Keyring,
    base: Callable[[TokenKey], HsmKey],
    card: CardIdentity,
    roles: Sequence[Role],
    use: Use = Use.CARD_KEY,
) -> dict[Role, HsmKey]:
    """Derive the static keys for these roles.

    Args:
        keyring: has the master keys.
        base: makes a key of a master key's handle, as `partial(HsmKey, operation)` does; what
            is derived belongs to its operation and has the attributes that its class gives.
        card: whose keys.
        roles: which of them.
        use: what they are for.

    Raises:
        ServiceError: `key-missing`.
    """
    made: dict[str, HsmKey] = {}
    masters: dict[Role, HsmKey] = {}
    labels = card.key_set.labels
    for role in roles:
        label = labels[role]
        if label not in made:  # roles that share a master key share HSM calls
            made[label] = base(keyring.master_key(card.key_set, card.key_version, role))
        masters[role] = made[label]
    if card.is_exposed:
        return exposed.card_keys_by_hmac(masters, card.diversification_data, use)
    return diversification.card_keys(
        card.key_set.diversification,
        masters,
        roles,
        card.diversification_data,
        Target(card.algorithm, use),
    )
