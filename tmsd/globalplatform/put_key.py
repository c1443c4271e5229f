"""PUT KEY: the command that brings a set of three keys, or one base key, and its answer.

Card Specification 2.3.1, 11.8, and tables 11-68 to 11-71; Amendment D, 7.2 and table 7-10.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.apdu import CommandApdu

PUT_KEY = 0xD8

# P2 (table 11-66): the identifier of the first key, and whether others follow it.
_FROM_KEY_1 = 0x01
_MULTIPLE_KEYS = 0x80
_AES_KEY_TYPE = 0x88
CHECK_VALUE_LENGTH = 3


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key on its way to a card.

    Attributes:
        length: of the key itself, in bytes.
        value: encrypted under the card's DEK; 16 bytes for triple DES, 16 or 32 for AES
            (24-byte keys are filled up to whole blocks).
        check_value: 3 bytes.
    """

    length: int
    value: bytes
    check_value: bytes


def command(
    new_version: int, replaced_version: int, keys: Sequence[WrappedKey], des_key_type: int | None
) -> CommandApdu:
    """Build PUT KEY for the keys ENC, MAC, DEK, or for a base key.

    Args:
        new_version: 1 to 127.
        replaced_version: the version that is replaced, or 0 to add one.
        keys: three in this order, or the one.
        des_key_type: 80 or 81 for triple DES keys; None for AES keys.
    """
    data = bytes([new_version]) + b"".join(_key_data(key, des_key_type) for key in keys)
    p2 = _FROM_KEY_1 | (_MULTIPLE_KEYS if len(keys) > 1 else 0)
    return CommandApdu(0x80, PUT_KEY, replaced_version, p2, data, le=256)


def confirm(data: bytes, new_version: int, check_values: bytes) -> None:
    """Check that a card's answer names the new version and the keys' check values.

    Args:
        data: the answer without its status word.
        new_version: as it was sent.
        check_values: 3 bytes for each key, in the order of the keys.

    Raises:
        ServiceError: `put-key-unconfirmed`.
    """
    expected = bytes([new_version]) + check_values
    if data != expected:
        raise ServiceError(
            Code.PUT_KEY_UNCONFIRMED,
            f"the card confirms {data.hex() or 'nothing'} where {expected.hex()} is right;"
            " INITIALIZE UPDATE will tell which keys it holds",
        )


def _key_data(key: WrappedKey, des_key_type: int | None) -> bytes:
    check_value = bytes([CHECK_VALUE_LENGTH]) + key.check_value
    if des_key_type is not None:
        return bytes([des_key_type, len(key.value)]) + key.value + check_value
    # AES: the length of the key itself stands before its encryption (table 7-10).
    block = bytes([key.length]) + key.value
    return bytes([_AES_KEY_TYPE, len(block)]) + block + check_value
