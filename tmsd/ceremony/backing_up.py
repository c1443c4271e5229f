"""Making a backup, and looking it over: all in the token, where the backup key is."""

import hmac
from collections.abc import Iterator
from datetime import datetime

import msgspec
from pkcs11 import Attribute

from hsm.backup import (
    backup_key_check_value,
    new_mac_key,
    wrapped_check_value,
    wrapped_mac_key,
)
from hsm.errors import HsmError, WrappedKeyInvalid
from hsm.hmac import hmac_sha256
from hsm.keys import KeyReference, TokenKey
from hsm.token import Token
from hsm.wrapping import wrap_for_transport
from tmsd.ceremony.backed_up_pairs import require_pairs_restorable, wrapped_pairs
from tmsd.ceremony.backup_file import ABILITIES, KINDS, Ability, BackedUpKey, Backup, WrappingKey
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.config.reserved_keys import BACKUP_KEY


def back_up(token: Token, version: int, deployment: str, now: datetime) -> Backup:
    """Wrap every key that can be backed up under the backup key.

    Each is unwrapped once, as an object of the session, to show that it can be.

    Args:
        token: logged in.
        version: of the backup key.
        deployment: whose keys they are.
        now: the present.

    Raises:
        KeyNotFound: the token has no such backup key.
        BackupRefused: `backup-empty`.
        HsmError: the token refuses.
    """
    backup_key = token.find_key(KeyReference(BACKUP_KEY, version))
    check_value = backup_key_check_value(token, backup_key).hex()
    keys = tuple(_wrapped_keys(token, backup_key))
    key_pairs = tuple(wrapped_pairs(token, backup_key))
    if not keys and not key_pairs:
        raise BackupRefused(
            BackupRule.BACKUP_EMPTY,
            'the token has no key to back up: none was made with backup = "quorum"',
        )
    with token.operation() as operation:
        mac_key, wrapped = new_mac_key(operation, backup_key)
        backup = Backup(
            backup_key=WrappingKey(version, check_value),
            deployment=deployment,
            format="tmsd-backup-v1",
            key_pairs=key_pairs,
            keys=keys,
            made=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            mac_key=wrapped.hex(),
        )
        mac = hmac_sha256(mac_key, backup.authenticated)
    return msgspec.structs.replace(backup, mac=mac.hex())


def require_authentic(token: Token, backup_key: TokenKey, backup: Backup) -> None:
    """Make sure that a backup was made under this backup key, and not changed since.

    Raises:
        BackupRefused: `backup-of-other-key` or `backup-forged`.
        HsmError: the token refuses.
    """
    check_value = backup_key_check_value(token, backup_key).hex()
    if check_value != backup.backup_key.check_value:
        raise BackupRefused(
            BackupRule.BACKUP_OF_OTHER_KEY,
            f"it was made under the backup key {backup.backup_key.check_value}, "
            f"and this is {check_value}",
        )
    try:
        with token.operation() as operation:
            mac_key = wrapped_mac_key(operation, backup_key, bytes.fromhex(backup.mac_key))
            mac = hmac_sha256(mac_key, backup.authenticated)
    except WrappedKeyInvalid:
        raise _forged("its MAC's key is not wrapped under the backup key") from None
    if not hmac.compare_digest(mac, bytes.fromhex(backup.mac)):
        raise _forged("its MAC is wrong")


def require_restorable(token: Token, backup_key: TokenKey, backup: Backup) -> None:
    """Unwrap every key of a backup as an object of the session, and compare its check value.

    Private halves of key pairs sign once.

    Raises:
        BackupRefused: `key-differs`.
        HsmError: the token refuses.
    """
    for key in backup.keys:
        found = wrapped_check_value(token, backup_key, bytes.fromhex(key.wrapped), key.shape).hex()
        if found != key.check_value:
            raise BackupRefused(
                BackupRule.KEY_DIFFERS,
                f"{key.reference} has the check value {found}, and {key.check_value} in the backup",
            )

    require_pairs_restorable(token, backup_key, backup)


def abilities(key: TokenKey) -> tuple[Ability, ...]:
    """Return which of the attributes of a backup are true, in the order of the alphabet."""
    told = key.handle.get_attributes(list(ABILITIES.values()))
    return tuple(name for name, attribute in ABILITIES.items() if told.get(attribute))


def _wrapped_keys(token: Token, backup_key: TokenKey) -> Iterator[BackedUpKey]:
    for reference, key in token.list_keys():
        if key.handle[Attribute.EXTRACTABLE]:
            yield _wrapped_key(token, backup_key, reference, key)


def _wrapped_key(
    token: Token, backup_key: TokenKey, reference: KeyReference, key: TokenKey
) -> BackedUpKey:
    try:
        wrapped = wrap_for_transport(backup_key, key)
        check_value = wrapped_check_value(token, backup_key, wrapped, key.shape)
    except HsmError as error:
        raise type(error)(f"{reference}: {error}") from error
    [kind] = [kind for kind, key_type in KINDS.items() if key_type is key.shape.key_type]
    return BackedUpKey(
        label=reference.label,
        version=reference.version,
        kind=kind,
        length=key.shape.length,
        may=abilities(key),
        check_value=check_value.hex(),
        wrapped=wrapped.hex(),
    )


def _forged(words: str) -> BackupRefused:
    return BackupRefused(BackupRule.BACKUP_FORGED, f"{words}: it was changed, or made up")
