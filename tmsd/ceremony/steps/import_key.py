"""Step: import a key from components, which custodians hold one each.

The components are combined by XOR in this process's memory, and only there. What comes
out must be a key: neither all zeros, nor single DES in a longer coat, nor, unless the key
set says so, one of the keys that card makers publish.
"""

import hmac
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hsm import importing
from hsm.errors import ComponentInvalid
from hsm.hmac import filled_up
from hsm.keys import SECRET_32, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.wanted_key import Purpose, WantedKey

_DES_BLOCK = 8
_PARITY = 0x01  # the lowest bit of each byte of a DES key (FIPS 46-3)

# 40 41 42 … 4F, which makers give to all their cards, and how it is made longer.
_FACTORY_KEY = bytes(range(0x40, 0x50))
_FACTORY_KEYS = (bytes(range(0x40, 0x60)), _FACTORY_KEY * 2)


def parse_component(text: bytes | bytearray, number: int) -> Secret:
    """Read a component from hexadecimal digits, with white space wherever it helps.

    Args:
        text: what was typed, in ASCII.
        number: the component's, from 1, for the error.

    Raises:
        ComponentInvalid: it is not hexadecimal; the message does not repeat it.
    """
    try:
        return Secret(bytearray.fromhex("".join(text.decode("ascii").split())))
    except ValueError:
        # Without the cause, which would say where the wrong character stands.
        raise ComponentInvalid(
            f"component {number} must be hexadecimal digits, two for each byte"
        ) from None


def shape_of(key: WantedKey, components: Sequence[Secret]) -> KeyShape:
    """Return the shape that at least one component, and those after it, give the key.

    Raises:
        ComponentInvalid: the number of the first that has the wrong length, and the right one.
    """
    lengths = {shape.length: shape for shape in key.component_shapes}
    right = " or ".join(str(length) for length in sorted(lengths))
    for number, component in enumerate(components, start=1):
        if len(component) not in lengths:
            raise ComponentInvalid(
                f"component {number} has {len(component)} bytes; one of {key.algorithm} has {right}"
            )
        if len(component) != len(components[0]):
            raise ComponentInvalid(
                f"component {number} has {len(component)} bytes, "
                f"and those before it have {len(components[0])}"
            )
    if not components:
        raise ComponentInvalid("a key needs at least one component")
    return lengths[len(components[0])]


def component_check_value(token: Token, key: WantedKey, components: Sequence[Secret]) -> bytes:
    """Return the check value (3 bytes) of the last of the components that there are so far.

    Raises:
        ComponentInvalid: one has the wrong length.
        HsmError: the token refuses.
    """
    shape = shape_of(key, components)
    return importing.check_value_of_component(token, components[-1], shape)


def import_key(token: Token, key: WantedKey, components: Sequence[Secret]) -> DescribedKey:
    """Combine the components and put the key into the token; they are wiped in any case.

    Args:
        token: opened writable.
        key: what it shall be.
        components: at least one, all of the key's length.

    Raises:
        ComponentInvalid: there is none, or one has the wrong length.
        Refused: what they combine to is no key to use.
        KeyExists: the label and version are taken.
        HsmError: the token refuses.
    """
    try:
        shape = shape_of(key, components)
        with (combined := importing.combine(components, shape)) as value:
            _require_usable(value, key, shape)
            if key.purpose is Purpose.HMAC_MASTER:
                return _import_for_hmac(token, key, combined, shape)
            made = importing.import_key(token, key.reference, combined, shape, key.template)
    finally:
        for component in components:
            component.wipe()
    return describe(key.reference, made)


def _import_for_hmac(token: Token, key: WantedKey, value: Secret, shape: KeyShape) -> DescribedKey:
    """Put an HMAC key into the token; its check value is that of the cipher's key it also is.

    Later the token cannot compute it any more: a generic secret does not encrypt.
    """
    check_value = importing.check_value_of_component(token, value, shape)
    filled = filled_up(value)
    with filled:
        importing.import_key(token, key.reference, filled, SECRET_32, key.template)
    return DescribedKey(key.reference, SECRET_32, check_value)


def _require_usable(value: bytearray, key: WantedKey, shape: KeyShape) -> None:
    significant = _significant(value, shape)
    try:
        if not any(significant):
            raise Refused("the components combine to all zeros: is one of them typed twice?")
        if not shape.is_aes and _is_single_des(significant):
            raise Refused(
                "the components combine to a triple DES key with two equal parts in a row, "
                "which encrypts as single DES does"
            )
        if not key.factory and any(
            hmac.compare_digest(significant, known) for known in _factory_keys(shape)
        ):
            raise Refused(
                "the components combine to a factory key (40 41 42 …), which everybody knows: "
                "it is imported only where every key set that uses it says factory = true"
            )
    finally:
        significant[:] = bytes(len(significant))


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
