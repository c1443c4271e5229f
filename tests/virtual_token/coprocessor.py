"""The chip's cryptography: DES and AES, their MACs, and the padding that both use.

CS231 appendix B for DES and padding; NIST SP 800-38A and 800-38B for AES.
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC


def pad80(data: bytes, block: int) -> bytes:
    """Append 80, then 00s up to a multiple of `block` bytes (CS231 B.1.3, AmdD 4.1.4)."""
    padded = data + b"\x80"
    return padded + bytes(-len(padded) % block)


def unpad80(data: bytes) -> bytes:
    """Remove what `pad80` appended.

    Raises:
        ValueError: where there is no 80 followed by 00s only.
    """
    stripped = data.rstrip(b"\x00")
    if not stripped.endswith(b"\x80"):
        raise ValueError("padding does not end with 80 00..00")
    return stripped[:-1]


def des3_ecb_encrypt(key: bytes, data: bytes) -> bytes:
    """Encrypt whole 8-byte blocks under a 16-byte key."""
    return _encrypt(_des3(key), ECB(), data)  # noqa: S305 - CS231 B.1.1 names ECB


def des3_ecb_decrypt(key: bytes, data: bytes) -> bytes:
    """Decrypt whole 8-byte blocks under a 16-byte key."""
    return _decrypt(_des3(key), ECB(), data)  # noqa: S305 - CS231 E.4.7 names ECB


def des3_cbc_encrypt(key: bytes, data: bytes, icv: bytes = bytes(8)) -> bytes:
    """Encrypt whole 8-byte blocks under a 16-byte key."""
    return _encrypt(_des3(key), CBC(icv), data)


def des3_cbc_decrypt(key: bytes, data: bytes, icv: bytes = bytes(8)) -> bytes:
    """Decrypt whole 8-byte blocks under a 16-byte key."""
    return _decrypt(_des3(key), CBC(icv), data)


def des_cbc_encrypt(key: bytes, data: bytes, icv: bytes = bytes(8)) -> bytes:
    """Encrypt whole 8-byte blocks with single DES under an 8-byte key."""
    return _encrypt(TripleDES(key * 3), CBC(icv), data)


def des3_mac(key: bytes, data: bytes, icv: bytes = bytes(8)) -> bytes:
    """Return the 8-byte full triple DES MAC over padded `data` (CS231 B.1.2.1)."""
    return des3_cbc_encrypt(key, pad80(data, 8), icv)[-8:]


def retail_mac(key: bytes, data: bytes, icv: bytes = bytes(8)) -> bytes:
    """Return the 8-byte MAC of single DES plus final triple DES (CS231 B.1.2.2).

    Every block but the last goes through single DES under the key's first half.
    """
    padded = pad80(data, 8)
    chained = (icv + des_cbc_encrypt(key[:8], padded[:-8], icv))[-8:]
    return des3_cbc_encrypt(key, padded[-8:], chained)


def aes_ecb_encrypt(key: bytes, block: bytes) -> bytes:
    """Encrypt whole 16-byte blocks."""
    return _encrypt(AES(key), ECB(), block)  # noqa: S305 - AmdD 6.2.6 makes its ICV this way


def aes_cbc_encrypt(key: bytes, data: bytes, icv: bytes) -> bytes:
    """Encrypt whole 16-byte blocks."""
    return _encrypt(AES(key), CBC(icv), data)


def aes_cbc_decrypt(key: bytes, data: bytes, icv: bytes) -> bytes:
    """Decrypt whole 16-byte blocks."""
    return _decrypt(AES(key), CBC(icv), data)


def aes_cmac(key: bytes, data: bytes) -> bytes:
    """Return the 16-byte CMAC of `data`."""
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


def _des3(key: bytes) -> TripleDES:
    if len(key) != 16:
        raise ValueError(f"a card's DES key is 16 bytes, this one {len(key)}")
    return TripleDES(key + key[:8])


def _encrypt(algorithm: CipherAlgorithm, mode: CBC | ECB, data: bytes) -> bytes:
    context = Cipher(algorithm, mode).encryptor()
    return context.update(data) + context.finalize()


def _decrypt(algorithm: CipherAlgorithm, mode: CBC | ECB, data: bytes) -> bytes:
    context = Cipher(algorithm, mode).decryptor()
    return context.update(data) + context.finalize()
