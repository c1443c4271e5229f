"""Step: destroy both halves of a key pair for good, after saying which one it is."""

from hsm import key_pairs
from hsm.token import Token
from tmsd.ceremony.described_key_pair import DescribedKeyPair, describe_key_pair
from tmsd.ceremony.signing_key import WantedKeyPair


def destroy_key_pair(token: Token, pair: WantedKeyPair) -> DescribedKeyPair:
    """Destroy the key pair, or the half that is left of it, and return what it was.

    Args:
        token: opened writable.
        pair: which one.

    Raises:
        KeyNotFound: neither half is in the token, or one is there twice.
        HsmError: the token refuses.
    """
    described = describe_key_pair(token, pair.reference)
    key_pairs.destroy_key_pair(token, pair.reference)
    return described
