"""What a key is, seen from outside: its shape, and a short value that only it computes."""

from contextlib import suppress
from dataclasses import dataclass

from hsm.attributes import COMPONENT
from hsm.check_values import key_check_value
from hsm.cmac import cmac
from hsm.errors import KeyUnsuitable, MechanismUnavailable
from hsm.hmac import hmac_sha256
from hsm.kdf import derive_ecb
from hsm.keys import AES_128, DES2, KeyShape, TokenKey
from hsm.token import Token

_LENGTH = 3


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """A key's shape and 3 bytes of what it computes; equal for one key in two generations."""

    shape: KeyShape
    check_value: bytes


def identity(token: Token, key: TokenKey) -> KeyIdentity:
    """Return a key's identity, by whichever operation its attributes allow.

    A key that neither encrypts, signs nor derives is known by its shape alone.

    Raises:
        TokenLost: the key or its token is gone.
    """
    for compute in (_encryption, _signature):
        with suppress(KeyUnsuitable, MechanismUnavailable):
            return KeyIdentity(key.shape, compute(key)[:_LENGTH])
    with suppress(KeyUnsuitable, MechanismUnavailable):
        return KeyIdentity(key.shape, _derivation(token, key))
    return KeyIdentity(key.shape, b"")


def _encryption(key: TokenKey) -> bytes:
    if key.shape.is_generic:
        raise KeyUnsuitable("generic secrets do not encrypt")
    return key_check_value(key)


def _signature(key: TokenKey) -> bytes:
    return hmac_sha256(key, b"") if key.shape.is_generic else cmac(key, b"")


def _derivation(token: Token, key: TokenKey) -> bytes:
    """Return the check value of a key that is derived from this one, and stays in the token."""
    if key.shape.is_generic:
        raise KeyUnsuitable("generic secrets do not derive by encryption")
    shape = AES_128 if key.shape.is_aes else DES2
    with token.operation() as operation:
        return key_check_value(derive_ecb(operation, key, bytes(shape.length), shape, COMPONENT))
