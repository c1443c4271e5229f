"""Keys over plain bytes: the `Key` protocol for tests.

Nothing else may import this module; an import contract says so. What it computes is
checked against published vectors, and every other `Key` is checked against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from tmsd.globalplatform.keys import Algorithm, CounterInput, Use


@dataclass(frozen=True, slots=True)
class PlainKey:
    """A key whose `value` is `algorithm.length` bytes of process memory."""

    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != self.algorithm.length:
            raise ValueError(
                f"{self.algorithm.name} takes {self.algorithm.length} bytes, not {len(self.value)}"
            )

    def __repr__(self) -> str:
        return f"PlainKey({self.algorithm.name})"

    def encrypt_ecb(self, data: bytes) -> bytes:
        """Encrypt whole blocks."""
        encryptor = Cipher(self._cipher(), modes.ECB()).encryptor()  # noqa: S305  GlobalPlatform derives with ECB
        return encryptor.update(data) + encryptor.finalize()

    def encrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """Encrypt whole blocks, without padding; `iv` is one block."""
        encryptor = Cipher(self._cipher(), modes.CBC(iv)).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def decrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """Decrypt whole blocks, without padding; `iv` is one block."""
        decryptor = Cipher(self._cipher(), modes.CBC(iv)).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def cmac(self, data: bytes) -> bytes:
        """Return the CMAC of `data`, one block (NIST SP 800-38B)."""
        mac = CMAC(self._cipher())
        mac.update(data)
        return mac.finalize()

    def derive_ecb(self, data: bytes, into: Algorithm, use: Use) -> Self:  # noqa: ARG002  bytes have no attributes
        """Return the key whose value begins ECB(self, data)."""
        return self._derived(self.encrypt_ecb(data), into)

    def derive_cbc(self, data: bytes, into: Algorithm, use: Use) -> Self:  # noqa: ARG002  as above
        """Return the key whose value begins CBC(self, data) with a zero IV."""
        return self._derived(self.encrypt_cbc(data, bytes(self.algorithm.block)), into)

    def derive_counter(
        self,
        inputs: Sequence[CounterInput],
        into: Algorithm,
        use: Use,  # noqa: ARG002  as above
    ) -> tuple[Self, ...]:
        """Return one key per input by the CMAC counter-mode KDF (NIST SP 800-108r1, 4.1)."""
        counters = range(1, -(-into.length // self.algorithm.block) + 1)
        return tuple(
            self._derived(b"".join(self.cmac(fixed.block(i)) for i in counters), into)
            for fixed in inputs
        )

    def wrap_key(self, key: Self) -> bytes:
        """Encrypt `key`'s value: 3DES-ECB, or AES-CBC with a zero IV after whole blocks of it."""
        if self.algorithm.family == "DES":
            return self.encrypt_ecb(key.value)
        # Amendment D, table 7-10: what fills AES-192 keys up is arbitrary.
        return self.encrypt_cbc(key.value + bytes(-len(key.value) % 16), bytes(16))

    def _cipher(self) -> algorithms.AES | TripleDES:
        if self.algorithm.family == "AES":
            return algorithms.AES(self.value)
        return TripleDES((self.value + self.value[:8])[:24])

    def _derived(self, material: bytes, into: Algorithm) -> Self:
        value = material[: into.length]
        return type(self)(into, odd_parity(value) if into.family == "DES" else value)


def odd_parity(value: bytes) -> bytes:
    """Return `value` with the lowest bit of each byte set so that the byte has odd parity."""
    return bytes(byte & 0xFE | (byte >> 1).bit_count() + 1 & 1 for byte in value)
