"""Block encryption in the token: ECB and CBC over whole blocks, without padding."""

from pkcs11 import Mechanism

from hsm.direct import AES_ECB, DES3_ECB, cbc
from hsm.errors import hsm_errors
from hsm.keys import TokenKey


@hsm_errors
def encrypt_ecb(key: TokenKey, data: bytes) -> bytes:
    """Encrypt whole blocks; the key needs CKA_ENCRYPT."""
    if direct := key.past_library("encrypt"):
        means = AES_ECB if key.shape.is_aes else DES3_ECB
        if made := direct.encrypt(means, key.handle.handle, data):
            return made
    mechanism = Mechanism.AES_ECB if key.shape.is_aes else Mechanism.DES3_ECB
    return bytes(key.method("encrypt")(data, mechanism=mechanism))


@hsm_errors
def encrypt_cbc(key: TokenKey, data: bytes, iv: bytes) -> bytes:
    """Encrypt whole blocks; `iv` is one block, and the key needs CKA_ENCRYPT."""
    mechanism = Mechanism.AES_CBC if key.shape.is_aes else Mechanism.DES3_CBC
    direct = key.past_library("encrypt")
    if direct and (made := direct.encrypt(cbc(mechanism, iv), key.handle.handle, data)):
        return made
    return bytes(key.method("encrypt")(data, mechanism=mechanism, mechanism_param=iv))


@hsm_errors
def decrypt_cbc(key: TokenKey, data: bytes, iv: bytes) -> bytes:
    """Decrypt whole blocks; `iv` is one block, and the key needs CKA_DECRYPT."""
    mechanism = Mechanism.AES_CBC if key.shape.is_aes else Mechanism.DES3_CBC
    direct = key.past_library("decrypt")
    if direct and (made := direct.decrypt(cbc(mechanism, iv), key.handle.handle, data)):
        return made
    return bytes(key.method("decrypt")(data, mechanism=mechanism, mechanism_param=iv))
