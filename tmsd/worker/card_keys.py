"""A card's static keys, derived in the token from the master key of its key set."""

from collections.abc import Sequence
from dataclasses import dataclass

from hsm.operation import Operation
from tmsd.config.key_sets import KeySet
from tmsd.globalplatform import diversification
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm
from tmsd.worker.hsm_key import HsmKey
from tmsd.worker.keyring import Keyring


@dataclass(frozen=True, slots=True)
class CardIdentity:
    """What determines a card's static keys.

    Attributes:
        key_set: has the scheme and the master key's label.
        key_version: of the master key, 1 to 255.
        diversification_data: 10 bytes, the card's KDD or CUID.
    """

    key_set: KeySet
    key_version: int
    diversification_data: bytes


def derive(
    keyring: Keyring, operation: Operation, card: CardIdentity, roles: Sequence[Role]
) -> dict[Role, HsmKey]:
    """Derive the static keys for these roles; they end with the operation.

    Raises:
        ServiceError: `key-missing`.
    """
    master = HsmKey(operation, keyring.master_key(card.key_set, card.key_version))
    into = Algorithm.DES2 if master.algorithm.family == "DES" else master.algorithm
    scheme = card.key_set.diversification
    return diversification.card_keys(scheme, master, roles, card.diversification_data, into)
