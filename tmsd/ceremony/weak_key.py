"""What is no key to use: zeros, single DES in a longer coat, and keys that card makers publish."""

import hmac
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise

from hsm.importing import check_value_of_component
from hsm.keys import KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.wanted_key import WantedKey

_DES_BLOCK = 8
_PARITY = 0x01  # the lowest bit of each byte of a DES key (FIPS 46-3)

# 40 41 42 … 4F, which makers give to all their cards, and how it is made longer.
_FACTORY_KEY = bytes(range(0x40, 0x50))
_FACTORY_KEYS = (bytes(range(0x40, 0x60)), _FACTORY_KEY * 2)


class Weakness(StrEnum):
    """Why a key is none to use."""

    ZEROS = "all zeros"
    SINGLE_DES = "a triple DES key with two equal parts in a row, which encrypts as single DES does"
    FACTORY = (
        "a factory key (40 41 42 …), which everybody knows: "
        "it is imported only where every key set that uses it says factory = true"
    )


def weakness(value: bytearray, key: WantedKey, shape: KeyShape) -> Weakness | None:
    """Return why a value is no key to use, if it is none."""
    significant = _significant(value, shape)
    try:
        if not any(significant):
            return Weakness.ZEROS
        if not shape.is_aes and _is_single_des(significant):
            return Weakness.SINGLE_DES
        if not key.factory and any(
            hmac.compare_digest(significant, known) for known in _factory_keys(shape)
        ):
            return Weakness.FACTORY
        return None
    finally:
        significant[:] = bytes(len(significant))


def weakness_by_check_value(
    token: Token, key: WantedKey, shape: KeyShape, check_value: bytes
) -> Weakness | None:
    """Return the same of a key that is in the token alone, as far as its check value tells.

    Single DES in a longer coat has one like any other key. One key in 16 million is
    taken for a known one, and refused.

    Raises:
        HsmError: the token refuses.
    """
    if check_value == check_value_of_component(token, Secret(bytes(shape.length)), shape):
        return Weakness.ZEROS
    if not key.factory:
        for known in _factory_keys(shape):
            if check_value == check_value_of_component(token, Secret(known), shape):
                return Weakness.FACTORY
    return None


def _significant(value: bytes | bytearray, shape: KeyShape) -> bytearray:
    """Return a copy of the value, with the parity bits of a DES key cleared."""
    return bytearray(value if shape.is_aes else (byte & ~_PARITY for byte in value))


def _is_single_des(value: bytearray) -> bool:
    """Say whether K1 = K2 or K2 = K3, so that two of the three encryptions cancel out.

    NIST SP 800-67 rev. 2, section 3.4.2. K1 = K3 is two-key triple DES.
    """
    parts = [value[at : at + _DES_BLOCK] for at in range(0, len(value), _DES_BLOCK)]
    return any(hmac.compare_digest(left, right) for left, right in pairwise(parts))


def _factory_keys(shape: KeyShape) -> Iterator[bytearray]:
    for known in _FACTORY_KEYS:
        yield _significant(known[: shape.length], shape)
