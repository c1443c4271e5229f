"""Keys under a backup key: its check value, theirs, and the MAC of the file that they lie in.

All of them leave and come back by AES key wrap (RFC 3394), which is deterministic and notices
any change. So two keys are the same exactly if they are the same when wrapped.
"""

from hsm.attributes import (
    BACKUP_MAC_KEY,
    COMPARED_MAC_KEY,
    COMPONENT,
    JOINED_BACKUP_KEY,
    KNOWN_KEY,
)
from hsm.check_values import key_check_value
from hsm.hmac import hmac_sha256
from hsm.importing import generate_session_key, import_session_key
from hsm.keys import AES_128, AES_256, SECRET_64, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token
from hsm.wrapping import unwrap_session_key, wrap_for_transport

CHECK_VALUE_LENGTH = 3
_CHECKED = b"tmsd-check-value"


def import_joined(operation: Operation, value: Secret) -> TokenKey:
    """Put the backup key (32 bytes) that custodians joined into the token for an operation."""
    return import_session_key(operation, value, AES_256, JOINED_BACKUP_KEY)


def backup_key_check_value(token: Token, key: TokenKey) -> bytes:
    """Return 3 bytes that a backup key is known by: of sixteen zero bytes, wrapped under it.

    It may not encrypt, so it has no check value as other keys have. What it wrapped is unwrapped
    as well: a token that could not put back a key has no use for backups.

    Raises:
        MechanismUnavailable: the token does not wrap or unwrap with CKM_AES_KEY_WRAP.
    """
    with token.operation() as operation:
        zeros = Secret(bytes(AES_128.length))
        known = import_session_key(operation, zeros, AES_128, KNOWN_KEY)
        wrapped = wrap_for_transport(key, known)
        unwrap_session_key(operation, key, wrapped, AES_128, KNOWN_KEY)
        return wrapped[:CHECK_VALUE_LENGTH]


def wrapped_check_value(token: Token, backup: TokenKey, wrapped: bytes, shape: KeyShape) -> bytes:
    """Return the 3-byte check value of a wrapped key, which is in the token for as long.

    That of a cipher's key is as ever (check_values.py); of a generic secret it is the beginning
    of an HMAC-SHA256 of `tmsd-check-value`.

    Raises:
        WrappedKeyInvalid: it was wrapped by another key, or changed since.
        KeyUnsuitable: the token makes no HMAC with a generic secret as short as this.
    """
    with token.operation() as operation:
        template = COMPARED_MAC_KEY if shape.is_generic else COMPONENT
        key = unwrap_session_key(operation, backup, wrapped, shape, template)
        if shape.is_generic:
            return hmac_sha256(key, _CHECKED)[:CHECK_VALUE_LENGTH]
        return key_check_value(key)


def new_mac_key(operation: Operation, backup: TokenKey) -> tuple[TokenKey, bytes]:
    """Make a key for the MAC of one backup, and return it and, wrapped, its 72 bytes.

    Without a wrapped key of this length nobody makes a backup that is taken for one: of the keys
    in a backup, some of which others know, none is as long.
    """
    key = generate_session_key(operation, SECRET_64, BACKUP_MAC_KEY)
    return key, wrap_for_transport(backup, key)


def wrapped_mac_key(operation: Operation, backup: TokenKey, wrapped: bytes) -> TokenKey:
    """Put the key for a backup's MAC back for an operation.

    Raises:
        WrappedKeyInvalid: it is none of this backup key.
    """
    return unwrap_session_key(operation, backup, wrapped, SECRET_64, COMPARED_MAC_KEY)
