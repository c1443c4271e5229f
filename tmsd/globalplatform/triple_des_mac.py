"""The two MACs over triple DES of the Card Specification, and the keys for them.

Card Specification 2.3.1, B.1.2. Both pad by method 2 and give 8 bytes.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from tmsd.globalplatform.channel import MAC_LENGTH, pad
from tmsd.globalplatform.keys import Algorithm, Key, Use

K = TypeVar("K", bound=Key)


@dataclass(frozen=True, slots=True)
class MacKeys(Generic[K]):
    """The two forms of one MAC key that a retail MAC needs.

    Attributes:
        whole: K1 ‖ K2, for the last block.
        first_half: K1 ‖ K1, which makes single DES out of triple DES for the blocks before.
    """

    whole: K
    first_half: K


def mac_keys(static: K, derivation_data: bytes) -> MacKeys[K]:
    """Derive both forms from 16 bytes of derivation data, by CBC with a zero IV."""
    # CBC with a zero IV begins as ECB does: the first block alone, twice, gives K1 ‖ K1.
    return MacKeys(
        whole=static.derive_cbc(derivation_data, Algorithm.DES2, Use.SESSION_MAC),
        first_half=static.derive_ecb(derivation_data[:8] * 2, Algorithm.DES2, Use.SESSION_MAC),
    )


def full_mac(key: K, data: bytes, icv: bytes = bytes(8)) -> bytes:
    """Full triple DES MAC (section B.1.2.1)."""
    return key.encrypt_cbc(pad(data, 8), icv)[-MAC_LENGTH:]


def retail_mac(keys: MacKeys[K], data: bytes, icv: bytes) -> bytes:
    """Single DES plus final triple DES MAC (section B.1.2.2)."""
    padded = pad(data, 8)
    before, last = padded[:-8], padded[-8:]
    chained = keys.first_half.encrypt_cbc(before, icv)[-8:] if before else icv
    return keys.whole.encrypt_cbc(last, chained)
