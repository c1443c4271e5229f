"""The keys on the card, by version and identifier, and which protocol each version speaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.virtual_token.coprocessor import aes_ecb_encrypt, des3_ecb_encrypt
from tests.virtual_token.keys import DEK, ENC, MAC, KeySet

DES, AES = 0x80, 0x88  # key types: CS231 table 11-16
INITIAL_KEYS = 0xFF  # the version number of keys that the issuer has yet to replace


@dataclass(frozen=True, slots=True)
class CardKey:
    """A key on the card: its type, `DES` or `AES`, and 16, 24 or 32 bytes."""

    key_type: int
    value: bytes = field(repr=False)

    @property
    def check_value(self) -> bytes:
        """3 bytes: DES encrypts 00s, AES 01s (CS231 B.6)."""
        if self.key_type == DES:
            return des3_ecb_encrypt(self.value, bytes(8))[:3]
        return aes_ecb_encrypt(self.value, b"\x01" * 16)[:3]


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys under one version number, by identifier, and the protocol they are for.

    All are of one type and length. A group that lacks a key opens no channel.
    """

    version: int
    scp: int
    i: int
    keys: Mapping[int, CardKey]

    def __post_init__(self) -> None:
        if len({(key.key_type, len(key.value)) for key in self.keys.values()}) != 1:
            raise ValueError("the keys of a version are at least one, of one type and length")

    @property
    def key_type(self) -> int:
        """The type of its keys."""
        return next(iter(self.keys.values())).key_type

    @property
    def key_length(self) -> int:
        """The length of its keys, in bytes."""
        return len(next(iter(self.keys.values())).value)

    def key_set(self) -> KeySet:
        """Return what a protocol works with; a key that is not there is empty."""
        enc, mac, dek = (
            self.keys[identifier].value if identifier in self.keys else b""
            for identifier in (ENC, MAC, DEK)
        )
        return KeySet(self.version, enc, mac, dek)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys on the card; version 00 asks for the first group that is complete."""

    groups: tuple[KeyGroup, ...]

    def group(self, version: int) -> KeyGroup | None:
        """Return the keys of a version, or None."""
        return next((group for group in self.groups if group.version == version), None)
