"""Transport keys of a site: what the policy says of them, and the callers' own copies."""

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key that the HSM shares with a caller.

    Attributes:
        name: in the policy, and its label in the HSM.
        algorithm: as the policy spells it.
        value: the caller's copy.
        settings: further lines of the policy.
    """

    name: str
    algorithm: str
    value: bytes = field(repr=False)
    settings: str = ""

    @property
    def table(self) -> str:
        """The transport key in policy.toml."""
        return (
            f"[transport_keys.{self.name}]\n"
            f'algorithm = "{self.algorithm}"\nversion = 7\n{self.settings}\n'
        )

    @property
    def mechanism(self) -> str:
        """How deliveries say that they were wrapped."""
        return "des3-ecb" if self.algorithm == "des3" else "aes-key-wrap"

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a delivered key."""
        if self.algorithm != "des3":
            return aes_key_unwrap(self.value, wrapped)
        cipher = Cipher(TripleDES(self.value), ECB())  # noqa: S305  it is how the keys come
        decryptor = cipher.decryptor()
        return decryptor.update(wrapped) + decryptor.finalize()


# No row of numbers: those are in the memory of any program.
AES_SHARED_KEY = SharedKey("tps-aes", "aes256", sha256(b"tps-aes").digest())
DES_SHARED_KEY = SharedKey(
    "tps-des",
    "des3",
    bytes.fromhex("0102020404070708080b0b0d0d0e0e101013131515161619"),
    settings="allow_key_material_in_worker = true",
)
DES_CLOSED_KEY = SharedKey(
    "tps-des-closed",
    "des3",
    bytes.fromhex("3132323434373738383b3b3d3d3e3e404043434545464649"),
)

SHARED_KEYS = (AES_SHARED_KEY, DES_SHARED_KEY, DES_CLOSED_KEY)
