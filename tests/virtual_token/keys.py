"""A card's key set, and how one is diversified from a master key.

`visa1`, `visa2` and `emv` encrypt a layout under a 16-byte 3DES master; `kdf3` and `gp-kmc`
are AES-CMAC key derivations; `nist-sp800-108-hmac` is one over HMAC-SHA-256 that makes 3DES
keys. What comes of a 3DES master is 16 bytes and serves as well as an AES-128 key, without
parity: SmartCafe 6 cards speak SCP03 with `emv` keys.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.virtual_token.coprocessor import aes_cmac, des3_ecb_encrypt

ENC, MAC, DEK = 1, 2, 3  # the key identifiers of CS231 7.5.1, and k in every layout below


@dataclass(frozen=True, slots=True)
class KeySet:
    """The three static keys under one key version number; 16, 24 or 32 bytes each.

    A card with one base key has it in the place of ENC, and nothing in the other two.
    """

    version: int
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RoleMasters:
    """A master key for each role, where an issuer does not use one for all three."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)


def diversify(scheme: str, master: bytes | RoleMasters, kdd: bytes, version: int) -> KeySet:
    """Derive a card's keys.

    Args:
        scheme: a name in `SCHEMES`.
        master: 16 bytes for `visa1`, `visa2` and `emv`; 16, 24 or 32 for `kdf3`, both kinds
            of `gp-kmc` and `none`; 16 or 24 for `nist-sp800-108-hmac`.
        kdd: the card's key diversification data, 10 bytes; the CUID in its place for a
            scheme in `BY_CUID`, or where the issuer diversifies by it.
        version: the key version number the set gets.

    Raises:
        ValueError: for an unknown scheme, or data of the wrong length.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"diversification {scheme!r} is none of {', '.join(SCHEMES)}")
    if len(kdd) != 10:
        raise ValueError(f"kdd is 10 bytes, not {len(kdd)}")
    derive = SCHEMES[scheme]
    masters = RoleMasters(master, master, master) if isinstance(master, bytes) else master
    return KeySet(
        version,
        enc=derive(masters.enc, kdd, ENC),
        mac=derive(masters.mac, kdd, MAC),
        dek=derive(masters.dek, kdd, DEK),
    )


def _visa1(master: bytes, kdd: bytes, k: int) -> bytes:
    prefix = {ENC: b"\xff\xff", MAC: b"\x00\x00", DEK: b"\xf0\xf0"}[k]
    return des3_ecb_encrypt(master, prefix + kdd[2:10] + bytes([k]) + bytes(5))


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


def _gp_kmc(master: bytes, cuid: bytes, k: int) -> bytes:
    """The same with serial and batch number as context, and the length in bits at the end."""
    context = bytes(2) + cuid[6:10] + cuid[4:6] + (8 * len(master)).to_bytes(2)
    blocks = (aes_cmac(master, bytes([i, 0, 0, 0, k, 0]) + context) for i in (1, 2))
    return b"".join(blocks)[: len(master)]


def _gp_kmc_of_dogtag_10_10(master: bytes, cuid: bytes, k: int) -> bytes:
    """The MAC key under the label of ENC, as Dogtag 10.10 has it."""
    return _gp_kmc(master, cuid, ENC if k == MAC else k)


def _nist_hmac(master: bytes, data: bytes, k: int) -> bytes:
    """Two rounds of SP 800-108 counter mode; ENC, MAC and DEK are consecutive parts of them."""
    rounds = (
        hmac.digest(master, bytes([i, 0x04, 0x00]) + data + bytes.fromhex("0180"), "sha256")
        for i in (1, 2)
    )
    return with_odd_parity(b"".join(rounds)[16 * (k - 1) : 16 * k])


def with_odd_parity(key: bytes) -> bytes:
    """Return a DES key with the lowest bit of each byte such that its ones are odd in number."""
    return bytes(byte & 0xFE | (byte >> 1).bit_count() % 2 ^ 1 for byte in key)


def _undiversified(master: bytes, _kdd: bytes, _k: int) -> bytes:
    return master


SCHEMES: dict[str, Callable[[bytes, bytes, int], bytes]] = {
    "kdf3": _kdf3,
    "visa1": _visa1,
    "visa2": _visa2,
    "emv": _emv,
    "gp-kmc": _gp_kmc,
    "gp-kmc-dogtag-10.10": _gp_kmc_of_dogtag_10_10,
    "nist-sp800-108-hmac": _nist_hmac,
    "none": _undiversified,
}

BY_CUID = frozenset({"gp-kmc", "gp-kmc-dogtag-10.10"})
"""The schemes whose context is the card's unique identifier, whatever the KDD is."""
