"""Step: generate a master key in the token; it never exists outside."""

from hsm import importing
from hsm.attributes import MASTER_KEY
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.master_key import SHAPES, MasterKey


def generate_key(token: Token, key: MasterKey) -> DescribedKey:
    """Generate a master key; one for triple DES has three keys, 24 bytes.

    Args:
        token: opened writable.
        key: what to make.

    Raises:
        KeyExists: the label and version are taken.
        HsmError: the token refuses.
    """
    shape = SHAPES[key.algorithm][0]
    return describe(key.reference, importing.generate_key(token, key.reference, shape, MASTER_KEY))
