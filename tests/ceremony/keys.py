"""Key values that everybody knows, and check values computed without a token."""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from tmsd.config.key_sets import KeyAlgorithm

FACTORY_16 = bytes(range(0x40, 0x50))
FACTORY_24 = bytes(range(0x40, 0x58))
FACTORY_32 = bytes(range(0x40, 0x60))


def check_value(key: bytes, algorithm: KeyAlgorithm) -> bytes:
    """GlobalPlatform Card Specification 2.3.1, B.6."""
    if algorithm is KeyAlgorithm.DES3:
        cipher: TripleDES | AES = TripleDES((key + key)[:24])
        block = bytes(8)
    else:
        cipher, block = AES(key), b"\x01" * 16
    encryptor = Cipher(cipher, ECB()).encryptor()  # noqa: S305  one block is all there is
    return encryptor.update(block)[:3]


def exclusive_or(*values: bytes) -> bytes:
    result = 0
    for value in values:
        result ^= int.from_bytes(value)
    return result.to_bytes(len(values[0]))
