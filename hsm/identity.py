"""What a key is, seen from outside: its shape, and a short value that only it computes.

A key pair is known by its public half, once the private half has signed something for it.
"""

from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from hsm.attributes import COMPONENT
from hsm.backup import backup_key_check_value
from hsm.check_values import key_check_value
from hsm.cmac import cmac
from hsm.errors import KeyUnsuitable, MechanismUnavailable
from hsm.hmac import hmac_sha256
from hsm.kdf import derive_ecb
from hsm.key_pairs import KeyPair
from hsm.keys import AES_128, DES2, KeyShape, TokenKey
from hsm.public_keys import KeyPairAlgorithm, spki_sha256
from hsm.signing import EcSigningKey, RsaSigningKey, signing_key
from hsm.token import Token

_LENGTH = 3

# What a private half signs to show that it belongs to the public one. No certificate, CRL or
# OCSP response is it, for those begin with the tag of a SEQUENCE (30).
_PROOF = b"tmsd: the halves of this key pair belong together"


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """A key's shape and 3 bytes of what it computes; equal for one key in two generations."""

    shape: KeyShape
    check_value: bytes


def identity(token: Token, key: TokenKey) -> KeyIdentity:
    """Return a key's identity, by whichever operation its attributes allow.

    A key that does not encrypt, sign, derive, or wrap and unwrap is known by its shape alone.

    Raises:
        TokenLost: the key or its token is gone.
    """
    for compute in (_encryption, _signature):
        with suppress(KeyUnsuitable, MechanismUnavailable):
            return KeyIdentity(key.shape, compute(key)[:_LENGTH])
    for compute_in in (_derivation, backup_key_check_value):
        with suppress(KeyUnsuitable, MechanismUnavailable):
            return KeyIdentity(key.shape, compute_in(token, key))
    return KeyIdentity(key.shape, b"")


@dataclass(frozen=True, slots=True)
class KeyPairIdentity:
    """A key pair's algorithm, and the SHA-256 (32 bytes) of its SubjectPublicKeyInfo."""

    algorithm: KeyPairAlgorithm
    spki_sha256: bytes


def key_pair_identity(pair: KeyPair) -> KeyPairIdentity:
    """Return a key pair's identity, after one signature by the private half.

    Raises:
        KeyUnsuitable: the private half belongs to another public key.
        TokenLost: the key or its token is gone.
    """
    try:
        _require_proof(pair)
    except InvalidSignature as error:
        raise KeyUnsuitable(f"{pair.reference}: its halves do not belong together") from error
    return KeyPairIdentity(pair.algorithm, spki_sha256(pair.public_key))


def _require_proof(pair: KeyPair) -> None:
    key = signing_key(pair)
    if isinstance(key, RsaSigningKey):
        signature = key.sign(_PROOF, PKCS1v15(), SHA256())
        key.public_key().verify(signature, _PROOF, PKCS1v15(), SHA256())
    elif isinstance(key, EcSigningKey):
        signature = key.sign(_PROOF, ec.ECDSA(SHA256()))
        key.public_key().verify(signature, _PROOF, ec.ECDSA(SHA256()))
    else:
        key.public_key().verify(key.sign(_PROOF), _PROOF)


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
