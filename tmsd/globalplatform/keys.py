"""The seam between GlobalPlatform's algorithms and whatever holds the keys.

Everything in this package is written over the `Key` protocol, in the words of the
specifications. How a key does its work, inside an HSM (tmsd/worker/hsm_key.py) or over
plain bytes (plain_key.py), is not this package's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self


class Algorithm(Enum):
    """A block cipher key: its family, its length and its block length, in bytes."""

    DES2 = ("DES", 16, 8)
    DES3 = ("DES", 24, 8)
    AES_128 = ("AES", 16, 16)
    AES_192 = ("AES", 24, 16)
    AES_256 = ("AES", 32, 16)

    # What stands in tables that each request looks into, is found as what it is, not by its name.
    __hash__ = object.__hash__

    def __init__(self, family: str, length: int, block: int) -> None:
        self.family = family
        self.length = length
        self.block = block


class Use(Enum):
    """What a derived key is for; an HSM gives it exactly the attributes this needs."""

    __hash__ = object.__hash__

    CARD_KEY = "card key"  # derives session keys; never leaves
    NEW_CARD_KEY = "new card key"  # goes to the card by PUT KEY: wrappable, shows its KCV
    SESSION_ENC = "session encryption key"  # encrypts, decrypts
    SESSION_MAC = "session MAC key"  # MACs, cryptograms
    DEK = "data encryption key"  # encrypts data, wraps keys


@dataclass(frozen=True, slots=True)
class CounterInput:
    """Fixed input of a counter-mode KDF: block i is PRF(K, before ‖ i ‖ after), from i = 1.

    NIST SP 800-108r1, section 4.1, with an 8-bit counter that may stand anywhere.
    """

    before: bytes
    after: bytes

    def block(self, counter: int) -> bytes:
        """Return the PRF's input for `counter` (1..255)."""
        return self.before + bytes([counter]) + self.after


class Key(Protocol):
    """A symmetric key that can be used but not read."""

    @property
    def algorithm(self) -> Algorithm:
        """The key's cipher and length."""

    def encrypt_ecb(self, data: bytes) -> bytes:
        """Encrypt whole blocks."""

    def encrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """Encrypt whole blocks, without padding; `iv` is one block."""

    def decrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """Decrypt whole blocks, without padding; `iv` is one block."""

    def cmac(self, data: bytes) -> bytes:
        """Return the CMAC of `data`, one block (NIST SP 800-38B)."""

    def derive_ecb(self, data: bytes, into: Algorithm, use: Use) -> Self:
        """Return the key whose value begins ECB(self, data).

        3DES results get odd parity, AES results keep their bytes as they are.
        """

    def derive_cbc(self, data: bytes, into: Algorithm, use: Use) -> Self:
        """Return the key whose value begins CBC(self, data) with a zero IV; parity as above."""

    def derive_counter(
        self, inputs: Sequence[CounterInput], into: Algorithm, use: Use
    ) -> tuple[Self, ...]:
        """Return one key per input by the CMAC counter-mode KDF; several share HSM calls."""

    def wrap_key(self, key: Self) -> bytes:
        """Encrypt `key`'s value as PUT KEY wants it: 3DES-ECB, or AES-CBC with a zero IV."""


def key_check_value(key: Key) -> bytes:
    """Return the first 3 bytes of one encrypted block: of 00s for 3DES, of 01s for AES.

    GlobalPlatform Card Specification 2.3.1, B.6.
    """
    filler = b"\x01" if key.algorithm.family == "AES" else b"\x00"
    return key.encrypt_ecb(filler * key.algorithm.block)[:3]
