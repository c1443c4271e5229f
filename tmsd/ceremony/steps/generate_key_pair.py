"""Step: generate a key pair that signs; its private half never exists outside the token."""

from hsm import key_pairs
from hsm.errors import MechanismUnavailable
from hsm.identity import key_pair_identity
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from tmsd.ceremony.described_key_pair import DescribedKeyPair
from tmsd.ceremony.signing_key import WantedKeyPair


def generate_key_pair(
    token: Token, pair: WantedKeyPair, algorithm: KeyPairAlgorithm
) -> DescribedKeyPair:
    """Generate a key pair, and have it sign once; one that cannot is not left behind.

    Args:
        token: opened writable.
        pair: what to make.
        algorithm: what it shall be a key pair of.

    Raises:
        KeyExists: the label and version are taken.
        MechanismUnavailable: the token makes no such key pairs, or does not sign with them.
        HsmError: the token refuses.
    """
    made = key_pairs.generate_key_pair(token, pair.reference, algorithm)
    try:
        return DescribedKeyPair(pair.reference, key_pair_identity(made), fault=None)
    except MechanismUnavailable:
        key_pairs.destroy_key_pair(token, pair.reference)
        raise
