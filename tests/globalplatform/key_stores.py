"""Where a test's keys live: in memory, or in a token that never gives them back.

What must hold for one must hold for the other, so tests take a `KeyStore` and are run over
both. A derived key is compared by what it computes: `shows` works without its value.
"""

from collections.abc import Mapping
from itertools import count
from typing import Protocol, TypeVar

from pkcs11 import Attribute

from hsm.attributes import MASTER_KEY, Template
from hsm.importing import import_key
from hsm.keys import KeyReference
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token
from tests.vectors import Vector
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm, Key, Use
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.worker.hsm_key import SHAPES, HsmKey, template

K = TypeVar("K", bound=Key)

AES = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}
DES = {16: Algorithm.DES2, 24: Algorithm.DES3}


class KeyStore(Protocol):
    """Makes keys of known values."""

    def master_key(self, algorithm: Algorithm, value: bytes) -> Key:
        """Return a master key: it derives card keys and shows its check value."""

    def key(self, algorithm: Algorithm, value: bytes, use: Use) -> Key:
        """Return a key as if it had been derived for this use."""


class PlainKeys:
    """Keys in memory."""

    def master_key(self, algorithm: Algorithm, value: bytes) -> Key:
        return PlainKey(algorithm, value)

    def key(self, algorithm: Algorithm, value: bytes, _use: Use) -> Key:
        return PlainKey(algorithm, value)


class TokenKeys:
    """Session objects of a token, with the attributes that keys of their use have."""

    def __init__(self, token: Token, operation: Operation) -> None:
        self._token = token
        self._operation = operation
        self._versions = count(1)

    def master_key(self, algorithm: Algorithm, value: bytes) -> Key:
        return self._imported(algorithm, value, MASTER_KEY)

    def key(self, algorithm: Algorithm, value: bytes, use: Use) -> Key:
        return self._imported(algorithm, value, template(SHAPES[algorithm], use))

    def _imported(self, algorithm: Algorithm, value: bytes, attributes: Template) -> HsmKey:
        reference = KeyReference("of a vector", next(self._versions))
        in_session = {**attributes, Attribute.TOKEN: False}
        key = import_key(self._token, reference, Secret(value), SHAPES[algorithm], in_session)
        return HsmKey(self._operation, self._operation.own(key.handle, key.shape))


def card_keys(
    store: KeyStore, algorithms: Mapping[int, Algorithm], vector: Vector
) -> dict[Role, Key]:
    """Return a vector's static keys, of the family whose algorithms are given by length."""
    return {
        role: store.key(algorithms[len(value)], value, Use.CARD_KEY)
        for role, value in ((Role.ENC, vector.bytes("enc")), (Role.MAC, vector.bytes("mac")))
    }


def shows(key: Key, use: Use, value: bytes) -> bool:
    """Say whether a key computes what a key of this value does, in the way its use allows."""
    return _shown(key, use) == _shown(PlainKey(key.algorithm, value), use)


def _shown(key: K, use: Use) -> bytes:
    if key.algorithm.family == "AES" and use is Use.SESSION_MAC:
        return key.cmac(b"")
    if key.algorithm.family == "DES" and use is Use.CARD_KEY:
        key = key.derive_ecb(bytes(range(16)), Algorithm.DES2, Use.SESSION_ENC)
    return key.encrypt_ecb(bytes(key.algorithm.block))
