"""Step: list the token's key pairs, whole and broken ones."""

from hsm import key_pairs
from hsm.token import Token
from tmsd.ceremony.described_key_pair import DescribedKeyPair, describe_key_pair


def list_key_pairs(token: Token) -> list[DescribedKeyPair]:
    """Return the key pairs that are in the token, by label and version; each signs once.

    Raises:
        HsmError: the token fails, or is gone.
    """
    return [describe_key_pair(token, reference) for reference in key_pairs.list_key_pairs(token)]
