"""AES-CMAC (NIST SP 800-38B): by the token's mechanism, and its pieces for key derivation."""

from pkcs11 import Mechanism

from hsm.errors import hsm_errors
from hsm.keys import TokenKey

BLOCK = 16


@hsm_errors
def cmac(key: TokenKey, data: bytes) -> bytes:
    """Return the 16-byte AES-CMAC of `data`; the key needs CKA_SIGN."""
    return bytes(key.method("sign")(data, mechanism=Mechanism.AES_CMAC))


def subkeys(encrypted_zeros: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 from the encryption of sixteen 00 (section 6.1)."""
    first = _doubled(encrypted_zeros)
    return first, _doubled(first)


def masked_last_block(message: bytes, encrypted_zeros: bytes) -> bytes:
    """Return the last block of `message`, padded if it is short, and masked (section 6.2)."""
    first, second = subkeys(encrypted_zeros)
    last = message[(len(message) - 1) // BLOCK * BLOCK :] if message else b""
    if len(last) == BLOCK:
        return exclusive_or(last, first)
    return exclusive_or(last + b"\x80" + bytes(BLOCK - 1 - len(last)), second)


def exclusive_or(left: bytes, right: bytes) -> bytes:
    """Return the bitwise sum of two strings of one length."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _doubled(block: bytes) -> bytes:
    """Multiply by x in GF(2^128)."""
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value = value & ((1 << 128) - 1) ^ 0x87
    return value.to_bytes(BLOCK, "big")
