"""Key blocks as TR-31 has them (ANSI X9.143-2022; ISO 20038): opened, and made.

The key that protects a block stays in the token, where the two keys of each block are derived from
it: one encrypts, the other makes the MAC. What they protect has its length before it and random
bytes behind it, which C_UnwrapKey of PKCS#11 2.40 does not know; so it is decrypted, and the key is
in the clear in this process's memory. Both key derivation binding methods are here: version B, of
triple DES, and D, of AES. The MAC is over header and what is encrypted, before it is encrypted.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from hsm.attributes import KEY_BLOCK_ENCRYPTION_KEY, KEY_BLOCK_MAC_KEY, Template
from hsm.ciphers import decrypt_cbc, encrypt_cbc
from hsm.cmac import cmac_by_encryption
from hsm.errors import WrappedKeyInvalid
from hsm.kdf import derive_cmac_counter
from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token

_ENCRYPTS, _AUTHENTICATES = 0x0000, 0x0001  # key usage indicators of the derivation
_ALGORITHMS: Mapping[KeyShape, int] = {DES2: 0, DES3: 1, AES_128: 2, AES_192: 3, AES_256: 4}
_LENGTH_BYTES = 2


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key block, taken apart.

    Attributes:
        header: the header with its optional blocks, in ASCII.
        encrypted: the key, its length and random bytes: whole blocks of the cipher.
        mac: one block of the cipher.
    """

    header: bytes
    encrypted: bytes
    mac: bytes


def open_key_block(token: Token, protection: TokenKey, sealed: SealedKey) -> Secret:
    """Return the key in a key block.

    Args:
        token: has the key that protects it.
        protection: that key; it needs CKA_DERIVE and CKA_ENCRYPT.
        sealed: the key block.

    Raises:
        WrappedKeyInvalid: another key protects it, it was changed since, or holds no key.
        HsmError: the token refuses.
    """
    with token.operation() as operation:
        encrypting = _derived(operation, protection, _ENCRYPTS, KEY_BLOCK_ENCRYPTION_KEY)
        authenticating = _derived(operation, protection, _AUTHENTICATES, KEY_BLOCK_MAC_KEY)
        with Secret(decrypt_cbc(encrypting, sealed.encrypted, sealed.mac)) as clear:
            computed = cmac_by_encryption(authenticating, sealed.header + clear)
            if not hmac.compare_digest(computed, sealed.mac):
                raise WrappedKeyInvalid(
                    "its MAC is wrong: another key protects it, or it was changed since"
                )
            length, rest = divmod(int.from_bytes(clear[:_LENGTH_BYTES]), 8)
            if rest or length > len(clear) - _LENGTH_BYTES:
                raise WrappedKeyInvalid("it holds no key of the length that it says")
            return Secret(clear[_LENGTH_BYTES : _LENGTH_BYTES + length])


def seal_key(token: Token, protection: TokenKey, header: bytes, key: Secret) -> SealedKey:
    """Make a key block, as who sends a key does; `header` says how long it will be.

    Raises:
        HsmError: the token refuses.
    """
    block = protection.shape.block
    with token.operation() as operation:
        encrypting = _derived(operation, protection, _ENCRYPTS, KEY_BLOCK_ENCRYPTION_KEY)
        authenticating = _derived(operation, protection, _AUTHENTICATES, KEY_BLOCK_MAC_KEY)
        length = (len(key) * 8).to_bytes(_LENGTH_BYTES)
        filling = token.random(block - (_LENGTH_BYTES + len(key)) % block)
        with Secret(length + key.reveal() + filling) as clear:
            mac = cmac_by_encryption(authenticating, header + clear)
            return SealedKey(header, encrypt_cbc(encrypting, bytes(clear), mac), mac)


def _derived(
    operation: Operation, protection: TokenKey, usage: int, template: Template
) -> TokenKey:
    """Derive a key of a key block, as long as the one that protects it.

    The PRF's inputs are counter (1 byte), key usage (2), a zero byte, algorithm (2), and the length
    of the key in bits (2).
    """
    shape = protection.shape
    kind = _ALGORITHMS[shape].to_bytes(2) + (shape.length * 8).to_bytes(2)
    inputs = [
        bytes([counter]) + usage.to_bytes(2) + b"\0" + kind
        for counter in range(1, -(-shape.length // shape.block) + 1)
    ]
    (derived,) = derive_cmac_counter(operation, protection, [inputs], shape, template)
    return derived
