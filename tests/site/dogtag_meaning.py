"""What the answers to a TPS of Dogtag mean: unwrapped with its secret, and with the DRM's key."""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.hashes import SHA256

from tests.site.dogtag_policy import SHARED_SECRET
from tests.site.kra import kra_private_key
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey

OAEP_SHA256 = OAEP(MGF1(SHA256()), SHA256(), None)


def des_key(value: bytes) -> PlainKey:
    """Return a triple DES key of 16 or 24 bytes."""
    return PlainKey(Algorithm.DES2 if len(value) == 16 else Algorithm.DES3, value)


def decrypted(key: PlainKey, data: bytes) -> bytes:
    """Undo 3DES-ECB, or AES-CBC with a zero IV."""
    if key.algorithm.family == "AES":
        return key.decrypt_cbc(data, bytes(16))
    cipher = Cipher(TripleDES((key.value * 2)[:24]), ECB()).decryptor()  # noqa: S305  as it comes
    return cipher.update(data) + cipher.finalize()


def of_tps(wrapped: bytes, secret: bytes = SHARED_SECRET) -> bytes:
    """Return a key that is encrypted under the secret of the TPS; 24 bytes of it are triple DES."""
    if len(secret) == 24:
        return decrypted(des_key(secret), wrapped)
    cipher = Cipher(AES(secret), CBC(bytes(16))).decryptor()
    return cipher.update(wrapped) + cipher.finalize()


def of_drm(wrapped: bytes, padding: AsymmetricPadding | None = None) -> bytes:
    """Return a key that is encrypted for the DRM."""
    return kra_private_key().decrypt(wrapped, padding or PKCS1v15())
