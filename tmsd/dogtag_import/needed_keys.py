"""The keys that a policy made of a CS.cfg needs in the token, and where each comes from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.reserved_keys import RESERVED_PREFIX
from tmsd.dogtag_import.tks_settings import Nickname

_LONGEST_LABEL = 64  # bytes


class Purpose(StrEnum):
    """What a key is for, in the words of a ceremony's script."""

    MASTER = "master"
    UNDIVERSIFIED = "undiversified"
    HMAC_MASTER = "hmac-master"
    TRANSPORT = "transport"


Source = Nickname | bytes
"""A key of the TKS, or the value of one that card makers publish."""


@dataclass(frozen=True, slots=True)
class NeededKey:
    """A key that the token has to have.

    Attributes:
        label: CKA_LABEL.
        version: CKA_ID, 1 to 255.
        algorithm: as the policy and scripts have it.
        purpose: which attributes it gets.
        source: whence it comes.
    """

    label: str
    version: int
    algorithm: KeyAlgorithm
    purpose: Purpose
    source: Source

    @property
    def published(self) -> bytes | None:
        """The value of a key that card makers publish; None of every other key."""
        return self.source if isinstance(self.source, bytes) else None

    @property
    def shape(self) -> str:
        """What is typed in a ceremony, and what it is in the token."""
        if isinstance(self.source, bytes):
            return f"{len(self.source)} bytes"
        match self.purpose, self.algorithm:
            case Purpose.HMAC_MASTER, _:
                return "24 bytes (K1‖K2‖K1 of a two-key one), odd parity, as a generic secret"
            case _, KeyAlgorithm.DES3:
                return "16 or 24 bytes, odd parity"
            case _:
                return f"{16 if self.algorithm is KeyAlgorithm.AES128 else 32} bytes"


def check_value(value: bytes, algorithm: KeyAlgorithm) -> bytes:
    """Return the first 3 bytes of a block under a published key (Card Specification 2.3.1, B.6)."""
    if algorithm is KeyAlgorithm.DES3:
        return Cipher(TripleDES((value * 2)[:24]), ECB()).encryptor().update(bytes(8))[:3]  # noqa: S305
    return Cipher(AES(value), ECB()).encryptor().update(b"\x01" * 16)[:3]  # noqa: S305


@dataclass(slots=True)
class KeyRegister:
    """The keys that are needed so far; no label and version stands for two of them."""

    keys: dict[tuple[str, int], NeededKey] = field(default_factory=dict)

    def label_for(
        self,
        wanted: str,
        algorithm: KeyAlgorithm,
        purpose: Purpose,
        sources: Mapping[int, Source],
    ) -> str:
        """Enter a key for each version, and return the label of all of them.

        Args:
            wanted: what it is called, if that is free or stands for the same keys.
            algorithm: of the keys.
            purpose: of the keys.
            sources: by version, whence it comes.
        """
        for label in _labels(wanted):
            needed = [
                NeededKey(label, version, algorithm, purpose, source)
                for version, source in sources.items()
            ]
            if all(self.keys.get((key.label, key.version), key) == key for key in needed):
                self.keys |= {(key.label, key.version): key for key in needed}
                return label
        raise AssertionError("labels do not end")


def _labels(wanted: str) -> Iterable[str]:
    """Yield a label that a policy takes, and others like it."""
    plain = "".join(each if each.isascii() and each.isprintable() else "_" for each in wanted)
    if plain.startswith(RESERVED_PREFIX):
        plain = f"dogtag-{plain}"
    yield plain[:_LONGEST_LABEL]
    number = 2
    while True:
        yield f"{plain[: _LONGEST_LABEL - 6]}-{number}"
        number += 1
