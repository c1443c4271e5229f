"""A card's key set, and how one is diversified from a master key.

The layouts are those of GlobalPlatformPro's PlaintextKeys, the only ones with published
values: `visa2` and `emv` under a 16-byte 3DES master, `kdf3` under an AES master.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.virtual_token.coprocessor import aes_cmac, des3_ecb_encrypt

ENC, MAC, DEK = 1, 2, 3  # the key identifiers of CS231 7.5.1, and k in every layout below


@dataclass(frozen=True, slots=True)
class KeySet:
    """The three static keys under one key version number; 16, 24 or 32 bytes each."""

    version: int
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)


def diversify(scheme: str, master: bytes, kdd: bytes, version: int) -> KeySet:
    """Derive a card's keys.

    Args:
        scheme: a name in `SCHEMES`.
        master: 16 bytes for `visa2` and `emv`; 16, 24 or 32 for `kdf3` and `none`.
        kdd: the card's key diversification data, 10 bytes.
        version: the key version number the set gets.

    Raises:
        ValueError: for an unknown scheme, or data of the wrong length.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"diversification {scheme!r} is none of {', '.join(SCHEMES)}")
    if len(kdd) != 10:
        raise ValueError(f"kdd is 10 bytes, not {len(kdd)}")
    derive = SCHEMES[scheme]
    return KeySet(version, *(derive(master, kdd, k) for k in (ENC, MAC, DEK)))


def _visa2(master: bytes, kdd: bytes, k: int) -> bytes:
    return _two_halves(master, kdd[0:2] + kdd[4:8], k)


def _emv(master: bytes, kdd: bytes, k: int) -> bytes:
    return _two_halves(master, kdd[4:10], k)


def _two_halves(master: bytes, serial: bytes, k: int) -> bytes:
    return des3_ecb_encrypt(master, serial + bytes([0xF0, k]) + serial + bytes([0x0F, k]))


def _kdf3(master: bytes, kdd: bytes, k: int) -> bytes:
    """NIST SP 800-108 counter mode: one counter byte, the label 000000 k, a separator, the KDD."""
    blocks = (aes_cmac(master, bytes([i, 0, 0, 0, k, 0]) + kdd) for i in (1, 2))
    return b"".join(blocks)[: len(master)]


def _undiversified(master: bytes, _kdd: bytes, _k: int) -> bytes:
    return master


SCHEMES: dict[str, Callable[[bytes, bytes, int], bytes]] = {
    "kdf3": _kdf3,
    "visa2": _visa2,
    "emv": _emv,
    "none": _undiversified,
}
