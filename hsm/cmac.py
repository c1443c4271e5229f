"""CMAC (NIST SP 800-38B), over AES and triple DES: whole, and its pieces for key derivation."""

from pkcs11 import Mechanism
from pkcs11.exceptions import MechanismInvalid

from hsm.ciphers import encrypt_ecb
from hsm.direct import AES_CMAC
from hsm.errors import hsm_errors
from hsm.keys import TokenKey

# R_b by block length, the last byte of each (section 5.3).
_REDUCTIONS = {8: 0x1B, 16: 0x87}


def cmac(key: TokenKey, data: bytes) -> bytes:
    """Return the 16-byte AES-CMAC of `data`; the key needs CKA_SIGN.

    By the token's mechanism; where the token refuses it, a key that has CKA_ENCRYPT as well
    makes it in steps.

    Raises:
        KeyUnsuitable: the key may not sign.
        MechanismUnavailable: the token refuses, and the key may only sign.
    """
    if key.direct and (mac := key.direct.sign(AES_CMAC, data)):
        return mac
    return _cmac_by_library(key, data)


@hsm_errors
def _cmac_by_library(key: TokenKey, data: bytes) -> bytes:
    try:
        return bytes(key.method("sign")(data, mechanism=Mechanism.AES_CMAC))
    except MechanismInvalid:
        if not key.may("encrypt"):
            raise
    return cmac_by_encryption(key, data)


def service_cmac(key: TokenKey, data: bytes) -> bytes:
    """Return the 16-byte AES-CMAC of `data` by a key that does nothing but make MACs.

    Such a key has CKA_SIGN, or CKA_ENCRYPT where the token refused the mechanism when it was
    made; no other key gets its MACs in this way, which asks less of it.

    Raises:
        KeyUnsuitable: the key has neither.
    """
    return cmac(key, data) if key.may("sign") else cmac_by_encryption(key, data)


def cmac_by_encryption(key: TokenKey, data: bytes) -> bytes:
    """Return the CMAC of `data`, one block, in ECB steps; the key needs CKA_ENCRYPT."""
    block = key.shape.block
    chain = bytes(block)
    last = masked_last_block(data, encrypt_ecb(key, chain))
    for at in range(0, leading_blocks(data, block) * block, block):
        chain = encrypt_ecb(key, exclusive_or(chain, data[at : at + block]))
    return encrypt_ecb(key, exclusive_or(chain, last))


def subkey(before: bytes) -> bytes:
    """Return K1 of the encryption of one block of 00, or K2 of K1 (section 6.1)."""
    bits = len(before) * 8
    doubled = int.from_bytes(before) << 1
    if doubled >> bits:
        doubled ^= 1 << bits | _REDUCTIONS[len(before)]
    return doubled.to_bytes(len(before))


def masked_last_block(message: bytes, encrypted_zeros: bytes) -> bytes:
    """Return the last block of `message`, padded if it is short, and masked (section 6.2)."""
    block = len(encrypted_zeros)
    last = message[leading_blocks(message, block) * block :]
    mask = subkey(encrypted_zeros)
    if len(last) == block:
        return exclusive_or(last, mask)
    return exclusive_or(last + b"\x80" + bytes(block - 1 - len(last)), subkey(mask))


def leading_blocks(message: bytes, block: int) -> int:
    """Count the blocks before the last one; `block` is their length in bytes."""
    return (max(len(message), 1) - 1) // block


def exclusive_or(left: bytes, right: bytes) -> bytes:
    """Return the bitwise sum of two strings of one length.

    Raises:
        ValueError: their lengths differ.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} and {len(right)} bytes have no sum: one is shorter")
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))
