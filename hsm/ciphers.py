"""Block encryption in the token: ECB and CBC over whole blocks, without padding."""

from pkcs11 import Mechanism

from hsm.direct import AES_ECB, DES3_ECB, cbc
from hsm.errors import hsm_errors
from hsm.keys import TokenKey


def encrypt_ecb(key: TokenKey, data: bytes) -> bytes:
    """Encrypt whole blocks; the key needs CKA_ENCRYPT."""
    direct = key.direct
    if direct and (made := direct.encrypt(AES_ECB if key.shape.is_aes else DES3_ECB, data)):
        return made
    mechanism = Mechanism.AES_ECB if key.shape.is_aes else Mechanism.DES3_ECB
    return _cipher_by_library(key, "encrypt", data, mechanism)


def encrypt_cbc(key: TokenKey, data: bytes, iv: bytes) -> bytes:
    """Encrypt whole blocks; `iv` is one block, and the key needs CKA_ENCRYPT."""
    mechanism = Mechanism.AES_CBC if key.shape.is_aes else Mechanism.DES3_CBC
    if key.direct and (made := key.direct.encrypt(cbc(mechanism, iv), data)):
        return made
    return _cipher_by_library(key, "encrypt", data, mechanism, iv)


def decrypt_cbc(key: TokenKey, data: bytes, iv: bytes) -> bytes:
    """Decrypt whole blocks; `iv` is one block, and the key needs CKA_DECRYPT."""
    mechanism = Mechanism.AES_CBC if key.shape.is_aes else Mechanism.DES3_CBC
    if key.direct and (made := key.direct.decrypt(cbc(mechanism, iv), data)):
        return made
    return _cipher_by_library(key, "decrypt", data, mechanism, iv)


@hsm_errors
def _cipher_by_library(
    key: TokenKey, method: str, data: bytes, mechanism: Mechanism, iv: bytes | None = None
) -> bytes:
    return bytes(key.method(method)(data, mechanism=mechanism, mechanism_param=iv))
