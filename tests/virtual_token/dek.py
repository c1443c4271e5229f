"""The data encryption key of an open channel: what PUT KEY's keys come to the card under.

CS211 D.3.5 and CS231 E.4.7 for 3DES in ECB mode, AmdD 6.2.8 for AES in CBC mode with an ICV
of zeros. Whether it is the static key or a session key is its protocol's business.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from tests.virtual_token.coprocessor import aes_cbc_decrypt, des3_ecb_decrypt


class DataEncryptionKey(Protocol):
    """What can decrypt sensitive data."""

    @property
    def block(self) -> int:
        """The block length of its cipher, in bytes."""

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt whole blocks; no padding is removed. ValueError for anything else."""


@dataclass(frozen=True, slots=True)
class DesDek:
    """A 3DES key, 16 bytes."""

    block: ClassVar[int] = 8
    key: bytes = field(repr=False)

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt whole 8-byte blocks."""
        return des3_ecb_decrypt(self.key, data)


@dataclass(frozen=True, slots=True)
class AesDek:
    """An AES key, 16, 24 or 32 bytes."""

    block: ClassVar[int] = 16
    key: bytes = field(repr=False)

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt whole 16-byte blocks."""
        return aes_cbc_decrypt(self.key, data, bytes(16))
