"""Card keys from a master key: one function per scheme, and the table of their names.

A scheme turns a master key and a card's diversification data (10 bytes, the KDD of
INITIALIZE UPDATE or the CUID) into the card's static keys. The schemes are conventions
of the card industry rather than of GlobalPlatform; each function names its layout.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TypeVar

from tmsd.globalplatform.keys import Algorithm, CounterInput, Key, Use

K = TypeVar("K", bound=Key)


class Role(IntEnum):
    """Key identifiers within a GlobalPlatform key set (Card Specification 2.3.1, E.2.1)."""

    ENC = 1
    MAC = 2
    DEK = 3


Scheme = Callable[[K, Sequence[Role], bytes, Algorithm], tuple[K, ...]]


def none(master: K, roles: Sequence[Role], _data: bytes, _into: Algorithm) -> tuple[K, ...]:
    """Return the master key itself for every role: every card holds the same keys."""
    return (master,) * len(roles)


def visa2(master: K, roles: Sequence[Role], data: bytes, into: Algorithm) -> tuple[K, ...]:
    """Encrypt s ‖ F0 ‖ role ‖ s ‖ 0F ‖ role with s = data[0:2] ‖ data[4:8] (3DES-ECB)."""
    return _two_halves(master, roles, data[0:2] + data[4:8], into)


def emv(master: K, roles: Sequence[Role], data: bytes, into: Algorithm) -> tuple[K, ...]:
    """Encrypt s ‖ F0 ‖ role ‖ s ‖ 0F ‖ role with s = data[4:10] (3DES-ECB).

    EMV Card Personalization Specification 1.1, section 4.1.
    """
    return _two_halves(master, roles, data[4:10], into)


def kdf3(master: K, roles: Sequence[Role], data: bytes, into: Algorithm) -> tuple[K, ...]:
    """AES-CMAC counter KDF over i ‖ 000000 ‖ role ‖ 00 ‖ data (NIST SP 800-108r1, 4.1)."""
    inputs = [CounterInput(b"", bytes([0, 0, 0, role, 0]) + data) for role in roles]
    return master.derive_counter(inputs, into, Use.CARD_KEY)


def _two_halves(master: K, roles: Sequence[Role], serial: bytes, into: Algorithm) -> tuple[K, ...]:
    return tuple(
        master.derive_ecb(
            serial + bytes([0xF0, role]) + serial + bytes([0x0F, role]), into, Use.CARD_KEY
        )
        for role in roles
    )


SCHEMES: dict[str, Scheme[Key]] = {
    "none": none,
    "visa2": visa2,
    "emv": emv,
    "kdf3": kdf3,
}


def card_keys(
    scheme: str, master: K, roles: Sequence[Role], data: bytes, into: Algorithm
) -> dict[Role, K]:
    """Derive a card's static keys.

    Args:
        scheme: a name in `SCHEMES`.
        master: the master key; an AES key for kdf3, a 3DES key for visa2 and emv.
        roles: which of the card's keys are wanted.
        data: the diversification data, 10 bytes.
        into: the card keys' algorithm.

    Raises:
        KeyError: no such scheme.
        ValueError: the diversification data is not 10 bytes long.
    """
    if len(data) != 10:
        raise ValueError(f"diversification data is 10 bytes long, not {len(data)}")
    derive: Scheme[K] = SCHEMES[scheme]  # type: ignore[assignment]  # each scheme is generic in K
    return dict(zip(roles, derive(master, roles, data, into), strict=True))
