"""Step: destroy a key for good, after saying which one it is."""

from hsm import importing
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.wanted_key import WantedKey


def find_key(token: Token, key: WantedKey) -> DescribedKey:
    """Describe the key that would be destroyed.

    Raises:
        KeyNotFound: it is not in the token, or it is there twice.
        HsmError: the token refuses.
    """
    return describe(key.reference, token.find_key(key.reference))


def destroy_key(token: Token, key: WantedKey) -> DescribedKey:
    """Destroy the key, and return what it was.

    Args:
        token: opened writable.
        key: which one.

    Raises:
        KeyNotFound: it is not in the token, or it is there twice.
        HsmError: the token refuses.
    """
    described = find_key(token, key)
    importing.destroy_key(token, key.reference)
    return described
