"""Key check values, by encryption: CKA_CHECK_VALUE of a derived key is not to be trusted."""

from hsm.ciphers import encrypt_ecb
from hsm.keys import TokenKey


def key_check_value(key: TokenKey) -> bytes:
    """Return the first 3 bytes of one encrypted block: of 01s for AES, of 00s for 3DES.

    GlobalPlatform Card Specification 2.3.1, B.6. The key needs CKA_ENCRYPT.
    """
    block = b"\x01" * 16 if key.shape.is_aes else bytes(8)
    return encrypt_ecb(key, block)[:3]
