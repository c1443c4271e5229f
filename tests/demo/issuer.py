"""The issuer: owns the master keys, and personalises cards with what comes of them.

Here, and in the cards, keys are plain bytes: they are the demonstration's own, made anew by
each run. The cards' keys are diversified by tests/virtual_token, which shares no code with
tmsd: if the two disagreed, no channel would open.
"""

import secrets
from dataclasses import dataclass, field, replace

from tests.virtual_token.coprocessor import aes_ecb_encrypt, des3_ecb_encrypt
from tests.virtual_token.personalisation import CardProfile, personalise

_KDD_LENGTH = 10


@dataclass(frozen=True, slots=True)
class IssuedKeySet:
    """A master key in two components, and the cards that come of it.

    Attributes:
        name: of the key set in policy.toml.
        scp: the secure channel protocol, 2 or 3.
        i: its implementation options, as the cards have them.
        algorithm: as policy.toml calls it.
        diversification: likewise.
        version: the key version number, 1 to 127.
        components: of two custodians; the master key is their XOR.
    """

    name: str
    scp: int
    i: int
    algorithm: str
    diversification: str
    version: int
    components: tuple[bytes, bytes] = field(repr=False)

    @property
    def master(self) -> bytes:
        """The master key, 16 or 32 bytes."""
        return bytes(a ^ b for a, b in zip(*self.components, strict=True))

    @property
    def key_check_value(self) -> bytes:
        """3 bytes (GlobalPlatform Card Specification 2.3.1, B.6), by the issuer's own reckoning."""
        if self.algorithm == "des3":
            return des3_ecb_encrypt(self.master, bytes(8))[:3]
        return aes_ecb_encrypt(self.master, b"\x01" * 16)[:3]

    @property
    def policy_table(self) -> str:
        """The key set's table of policy.toml."""
        return (
            f"[key_sets.{self.name}]\n"
            f'scp = "{self.scp:02x}"\n'
            f'algorithm = "{self.algorithm}"\n'
            f'diversification = "{self.diversification}"\n'
            f'versions = {{ {self.version} = "active" }}\n'
            f'scp_i = ["{self.i:02x}"]\n'
            f'min_security_level = "03"\n'
        )

    def profile(self) -> CardProfile:
        """Return a new card, with a KDD of its own and the keys that belong to it."""
        return personalise(
            self.master,
            secrets.token_bytes(_KDD_LENGTH),
            diversification=self.diversification,
            scp=self.scp,
            i=self.i,
            key_version=self.version,
        )

    def profile_from_another_master(self) -> CardProfile:
        """Return a card that looks the same, and whose keys come from a random master key."""
        stranger = replace(self, components=_components(len(self.master)))
        return stranger.profile()


def issued_key_sets() -> tuple[IssuedKeySet, IssuedKeySet, IssuedKeySet]:
    """Make up master keys for SCP03 with AES-128 and AES-256, and for SCP02."""
    return (
        IssuedKeySet("staff", 3, 0x70, "aes128", "kdf3", 2, _components(16)),
        IssuedKeySet("officers", 3, 0x00, "aes256", "kdf3", 3, _components(32)),
        IssuedKeySet("older-cards", 2, 0x15, "des3", "visa2", 4, _components(16)),
    )


def _components(length: int) -> tuple[bytes, bytes]:
    return secrets.token_bytes(length), secrets.token_bytes(length)
