"""Where GlobalPlatform's words for a key meet PKCS#11's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from hsm import attributes, ciphers, kdf, keys, wrapping
from hsm.cmac import cmac, cmac_by_encryption
from hsm.keys import KeyShape, TokenKey
from hsm.operation import Operation
from tmsd.globalplatform.keys import Algorithm, CounterInput, Use

SHAPES = {
    Algorithm.DES2: keys.DES2,
    Algorithm.DES3: keys.DES3,
    Algorithm.AES_128: keys.AES_128,
    Algorithm.AES_192: keys.AES_192,
    Algorithm.AES_256: keys.AES_256,
}
ALGORITHMS = {shape: algorithm for algorithm, shape in SHAPES.items()}

Templates = dict[Use, attributes.Template]

AES_TEMPLATES: Templates = {
    Use.CARD_KEY: attributes.AES_CARD_KEY,
    Use.NEW_CARD_KEY: attributes.NEW_CARD_KEY,
    Use.SESSION_ENC: attributes.SESSION_ENC_KEY,
    Use.SESSION_MAC: attributes.AES_SESSION_MAC_KEY,
    Use.DEK: attributes.DATA_ENCRYPTION_KEY,
}
DES_TEMPLATES: Templates = {
    **AES_TEMPLATES,
    Use.CARD_KEY: attributes.DES_CARD_KEY,
    Use.SESSION_MAC: attributes.DES_SESSION_MAC_KEY,
}


@dataclass(frozen=True, slots=True)
class HsmKey:
    """The `Key` protocol over a handle; what it derives belongs to the same operation.

    Attributes:
        operation: owns what is derived.
        key: the handle.
        filled_up: for a new AES-192 card key, the same value and 8 bytes more: AES-CBC wraps
            whole blocks only.
    """

    operation: Operation
    key: TokenKey
    filled_up: TokenKey | None = None

    @property
    def algorithm(self) -> Algorithm:
        """The key's cipher and length."""
        return ALGORITHMS[self.key.shape]

    def template(self, shape: KeyShape, use: Use) -> attributes.Template:
        """Return exactly the attributes that a key derived from this one needs for its use."""
        return (AES_TEMPLATES if shape.is_aes else DES_TEMPLATES)[use]

    def encrypt_ecb(self, data: bytes) -> bytes:
        """Encrypt whole blocks."""
        return ciphers.encrypt_ecb(self.key, data)

    def encrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """Encrypt whole blocks, without padding; `iv` is one block."""
        return ciphers.encrypt_cbc(self.key, data, iv)

    def decrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """Decrypt whole blocks, without padding; `iv` is one block."""
        return ciphers.decrypt_cbc(self.key, data, iv)

    def cmac(self, data: bytes) -> bytes:
        """Return the CMAC of `data`, one block.

        Triple DES keys make it in steps, as they make retail MACs: they may encrypt, not sign.
        """
        return cmac(self.key, data) if self.key.shape.is_aes else cmac_by_encryption(self.key, data)

    def derive_ecb(self, data: bytes, into: Algorithm, use: Use) -> Self:
        """Return the key whose value begins ECB(self, data)."""
        shape = SHAPES[into]
        return self._made(
            kdf.derive_ecb(self.operation, self.key, data, shape, self.template(shape, use))
        )

    def derive_cbc(self, data: bytes, into: Algorithm, use: Use) -> Self:
        """Return the key whose value begins CBC(self, data) with a zero IV."""
        shape = SHAPES[into]
        return self._made(
            kdf.derive_cbc(self.operation, self.key, data, shape, self.template(shape, use))
        )

    def derive_counter(
        self, inputs: Sequence[CounterInput], into: Algorithm, use: Use
    ) -> tuple[Self, ...]:
        """Return one key per input by the CMAC counter-mode KDF."""
        shape = SHAPES[into]
        made = self._derive_counter(inputs, shape, self.template(shape, use))
        if use is not Use.NEW_CARD_KEY or into is not Algorithm.AES_192:
            return tuple(map(self._made, made))
        filled_up = self._derive_counter(inputs, keys.SECRET_32, attributes.DELIVERED_KEY)
        return tuple(
            replace(self._made(key), filled_up=longer)
            for key, longer in zip(made, filled_up, strict=True)
        )

    def wrap_key(self, key: Self) -> bytes:
        """Encrypt `key`'s value: 3DES-ECB, or AES-CBC with a zero IV.

        Raises:
            MechanismUnavailable: the token does not wrap with the mechanism.
        """
        fills = key.filled_up is not None and self.key.shape.is_aes
        return wrapping.wrap_key(self.key, key.filled_up if fills and key.filled_up else key.key)

    def _derive_counter(
        self, inputs: Sequence[CounterInput], shape: KeyShape, template: attributes.Template
    ) -> list[TokenKey]:
        counters = range(1, -(-shape.length // self.key.shape.block) + 1)
        messages = [[each.block(i) for i in counters] for each in inputs]
        return kdf.derive_cmac_counter(self.operation, self.key, messages, shape, template)

    def _made(self, key: TokenKey) -> Self:
        return type(self)(self.operation, key)


class DeliverableKey(HsmKey):
    """A static key whose session keys can leave the token wrapped, and do nothing else."""

    __slots__ = ()

    def template(self, _shape: KeyShape, _use: Use) -> attributes.Template:
        """Return the attributes of a key that is handed over."""
        return attributes.DELIVERED_KEY
