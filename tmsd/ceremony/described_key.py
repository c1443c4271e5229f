"""What minutes and tables say of a key in the token: name, shape, check value."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from hsm.check_values import key_check_value
from hsm.errors import KeyUnsuitable
from hsm.keys import KeyReference, KeyShape, TokenKey

_KCV = re.compile(r"[0-9a-f]{6}")


def _kcv(value: str) -> str:
    if not _KCV.fullmatch(value):
        raise ValueError(f"must be 6 lower-case hex digits, not {value!r}")
    return value


Kcv = Annotated[str, AfterValidator(_kcv)]
"""A check value, as scripts say which one is expected."""


@dataclass(frozen=True, slots=True)
class DescribedKey:
    """A key that was made, found or destroyed.

    Attributes:
        reference: its label and version.
        shape: its type and length.
        check_value: 3 bytes; None for a key that may not encrypt.
    """

    reference: KeyReference
    shape: KeyShape
    check_value: bytes | None


def describe(reference: KeyReference, key: TokenKey) -> DescribedKey:
    """Describe a key; its check value is computed in the token.

    Raises:
        HsmError: the token refuses to encrypt, or is gone.
    """
    return DescribedKey(reference, key.shape, _check_value(key))


def algorithm_name(shape: KeyShape) -> str:
    """Return a shape in the words of policy.toml; triple DES with the number of its keys."""
    if shape.is_generic:
        return f"secret ({shape.length} bytes)"
    if shape.is_aes:
        return f"aes{shape.length * 8}"
    return f"des3 ({shape.length // 8}-key)"


def _check_value(key: TokenKey) -> bytes | None:
    if key.shape.is_generic:  # no cipher's key
        return None
    try:
        return key_check_value(key)
    except KeyUnsuitable:
        return None
