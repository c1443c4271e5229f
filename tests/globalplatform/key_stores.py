"""Where a test's keys live: in memory, or in a token that never gives them back.

What must hold for one must hold for the other, so tests take a `KeyStore` and are run over
both. A derived key is compared by what it computes: `shows` works without its value.
"""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, Self, TypeVar

import pytest
from pkcs11 import Attribute

from hsm.attributes import HMAC_MASTER_KEY, MASTER_KEY, NEW_CARD_KEY, READABLE_KEY, Template
from hsm.hmac import filled_up
from hsm.importing import import_session_key
from hsm.keys import SECRET_32
from hsm.operation import Operation
from hsm.reading import read_value
from hsm.secret import Secret
from hsm.token import Token
from tests.softhsm.each_token import asked, needs
from tests.vectors import Vector
from tmsd.globalplatform import diversification
from tmsd.globalplatform.diversification import Role, Target
from tmsd.globalplatform.keys import Algorithm, CounterInput, Key, Use, key_check_value
from tmsd.globalplatform.plain_key import PlainKey, odd_parity
from tmsd.globalplatform.put_key import WrappedKey
from tmsd.worker.exposed import card_keys_by_hmac, under_triple_des
from tmsd.worker.hsm_key import AES_TEMPLATES, DES_TEMPLATES, SHAPES, HsmKey

K = TypeVar("K", bound=Key)

AES = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}
DES = {16: Algorithm.DES2, 24: Algorithm.DES3}
BY_HMAC = "nist-sp800-108-hmac"

_FAMILY_OF_SCHEME = {
    "visa1": DES,
    "visa2": DES,
    "emv": DES,
    "kdf3": AES,
    "gp-kmc": AES,
    "gp-kmc-dogtag-10": AES,
}
_FAMILY_OF_PROTOCOL = {"01": DES, "02": DES, "03": AES}


class KeyStore(Protocol):
    """Makes keys of known values."""

    def master_key(self, algorithm: Algorithm, value: bytes) -> Key:
        """Return a master key: it derives card keys and shows its check value."""

    def key(self, algorithm: Algorithm, value: bytes, use: Use) -> Key:
        """Return a key as if it had been derived for this use."""

    def card_keys_by_hmac(self, master: bytes, data: bytes, use: Use) -> dict[Role, Key]:
        """Return card keys of the one scheme whose master key is no cipher key."""

    def wrapped(self, dek: Key, algorithm: Algorithm, value: bytes) -> WrappedKey:
        """Return a new key on its way to a card; AES-192 is filled up with zeros."""


class PlainKeys:
    """Keys in memory."""

    def master_key(self, algorithm: Algorithm, value: bytes) -> PlainKey:
        return PlainKey(algorithm, value)

    def key(self, algorithm: Algorithm, value: bytes, _use: Use) -> PlainKey:
        return PlainKey(algorithm, value)

    def card_keys_by_hmac(self, master: bytes, data: bytes, _use: Use) -> dict[Role, Key]:
        prf = partial(hmac.digest, master, digest="sha256")
        values = diversification.nist_sp800_108_hmac(prf, list(Role), data)
        return {
            role: PlainKey(Algorithm.DES2, odd_parity(value))
            for role, value in zip(Role, values, strict=True)
        }

    def wrapped(self, dek: Key, algorithm: Algorithm, value: bytes) -> WrappedKey:
        new = PlainKey(algorithm, value)
        assert isinstance(dek, PlainKey)
        return WrappedKey(algorithm.length, dek.wrap_key(new), key_check_value(new))


class AskedKey(HsmKey):
    """A key that skips the test before it does what its token does not, as that says itself."""

    __slots__ = ()

    def cmac(self, data: bytes) -> bytes:
        if self.key.shape.is_aes:
            self._needs("signs_aes_cmac")
        return HsmKey.cmac(self, data)

    def derive_ecb(self, data: bytes, into: Algorithm, use: Use) -> Self:
        self._needs("derives_aes_ecb" if self.key.shape.is_aes else "derives_des3_ecb")
        return HsmKey.derive_ecb(self, data, into, use)

    def derive_cbc(self, data: bytes, into: Algorithm, use: Use) -> Self:
        self._needs("derives_aes_ecb" if self.key.shape.is_aes else "derives_des3_cbc")
        return HsmKey.derive_cbc(self, data, into, use)

    def derive_counter(
        self, inputs: Sequence[CounterInput], into: Algorithm, use: Use
    ) -> tuple[Self, ...]:
        self._needs("derives_aes_ecb" if self.key.shape.is_aes else "derives_des3_ecb")
        return HsmKey.derive_counter(self, inputs, into, use)

    def _needs(self, capability: str) -> None:
        needs(Token(self.operation.session), capability)


class TokenKeys:
    """Session objects of a token, with the attributes that keys of their use have."""

    def __init__(self, token: Token, operation: Operation) -> None:
        self.token = token
        self.operation = operation

    def master_key(self, algorithm: Algorithm, value: bytes) -> HsmKey:
        return self.imported(algorithm, value, MASTER_KEY)

    def key(self, algorithm: Algorithm, value: bytes, use: Use) -> HsmKey:
        templates = AES_TEMPLATES if algorithm.family == "AES" else DES_TEMPLATES
        return self.imported(algorithm, value, templates[use])

    def card_keys_by_hmac(self, master: bytes, data: bytes, use: Use) -> dict[Role, Key]:
        in_session = {**HMAC_MASTER_KEY, Attribute.TOKEN: False}
        key = import_session_key(self.operation, filled_up(Secret(master)), SECRET_32, in_session)
        masters = dict.fromkeys(Role, AskedKey(self.operation, key))
        return dict(card_keys_by_hmac(masters, data, use))

    def wrapped(self, dek: Key, algorithm: Algorithm, value: bytes) -> WrappedKey:
        assert isinstance(dek, HsmKey)
        if algorithm.family == "DES":
            new = self.imported(algorithm, value, READABLE_KEY)
            if read_value(new.key).reveal() != value:
                pytest.skip("the token gives odd parity to the keys that it gets")
            encrypted = under_triple_des(dek.key, new)
            if asked(self.token).wraps_des3_ecb:
                assert encrypted == dek.wrap_key(self.key(algorithm, value, Use.NEW_CARD_KEY))
        else:
            new = self.key(algorithm, value, Use.NEW_CARD_KEY)
            if algorithm is Algorithm.AES_192:
                longer = Secret(value + bytes(8))
                filled = import_session_key(self.operation, longer, SECRET_32, NEW_CARD_KEY)
                new = replace(new, filled_up=filled)
            encrypted = dek.wrap_key(new)
        return WrappedKey(algorithm.length, encrypted, key_check_value(new))

    def imported(self, algorithm: Algorithm, value: bytes, template: Template) -> HsmKey:
        """Return a key of these attributes that ends with the operation."""
        in_session = {**template, Attribute.TOKEN: False}
        shape = SHAPES[algorithm]
        key = import_session_key(self.operation, Secret(value), shape, in_session)
        return AskedKey(self.operation, key)


def card_keys(
    store: KeyStore, vector: Vector, protocol: str, use: Use = Use.CARD_KEY
) -> dict[Role, Key]:
    """Return a vector's static keys: those it names, or those of its master key and scheme."""
    if "master" in vector:
        data = vector.bytes("data") if "data" in vector else vector.bytes("initialize_update")[:10]
        target = _target(vector, protocol, use)
        return diversified(store, vector["scheme"], vector.bytes("master"), data, target)
    family = _FAMILY_OF_PROTOCOL[protocol]
    values = {role: vector.bytes(role.name.lower()) for role in Role}
    return {role: store.key(family[len(value)], value, use) for role, value in values.items()}


def diversified(
    store: KeyStore, scheme: str, master: bytes, data: bytes, target: Target
) -> dict[Role, Key]:
    """Return card keys of a master key of this value."""
    if scheme == BY_HMAC:
        return store.card_keys_by_hmac(master, data, target.use)
    if scheme == "none":
        key = store.key(target.algorithm, master, target.use)
        return diversification.card_keys(scheme, dict.fromkeys(Role, key), list(Role), data, target)
    key = store.master_key(_FAMILY_OF_SCHEME[scheme][len(master)], master)
    return diversification.card_keys(scheme, dict.fromkeys(Role, key), list(Role), data, target)


def _target(vector: Vector, protocol: str, use: Use) -> Target:
    if "into" in vector:
        return Target(Algorithm[vector["into"]], use)
    if protocol == "03":
        return Target(AES[len(vector.bytes("master"))], use)
    return Target(Algorithm.DES2, use)


def shows(key: Key, use: Use, value: bytes) -> bool:
    """Say whether a key computes what a key of this value does, in the way its use allows."""
    return _shown(key, use) == _shown(PlainKey(key.algorithm, value), use)


def _shown(key: K, use: Use) -> bytes:
    if key.algorithm.family == "AES" and use is Use.SESSION_MAC:
        return key.cmac(b"")
    if key.algorithm.family == "DES" and use is Use.CARD_KEY:
        key = key.derive_ecb(bytes(range(16)), Algorithm.DES2, Use.SESSION_ENC)
    return key.encrypt_ecb(bytes(key.algorithm.block))
