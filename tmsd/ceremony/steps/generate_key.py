"""Step: generate a key in the token; it never exists outside."""

from hsm import importing
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.wanted_key import WantedKey


def generate_key(token: Token, key: WantedKey) -> DescribedKey:
    """Generate a key: for triple DES of three keys, of two where it is the cards' own.

    Args:
        token: opened writable.
        key: what to make.

    Raises:
        KeyExists: the label and version are taken.
        HsmError: the token refuses.
    """
    made = importing.generate_key(token, key.reference, key.token_shapes[0], key.template)
    return describe(key.reference, made)
