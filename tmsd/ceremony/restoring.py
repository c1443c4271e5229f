"""Putting the keys of a backup back, each as it was: into an empty token, or beside the same."""

from pkcs11 import Attribute

from hsm.attributes import RESTORED_KEY, Template
from hsm.errors import HsmError
from hsm.keys import TokenKey
from hsm.token import Token
from hsm.wrapping import unwrap_key, wrap_for_transport
from tmsd.ceremony.backed_up_pairs import missing_pairs, restore_pairs
from tmsd.ceremony.backing_up import abilities
from tmsd.ceremony.backup_file import ABILITIES, BackedUpKey, Backup
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule


def restore(token: Token, backup_key: TokenKey, backup: Backup) -> int:
    """Put back what is missing, and return how many keys that were.

    Nothing stays of it where one of them cannot be put back.

    Args:
        token: opened writable.
        backup_key: in the token.
        backup: an authentic one.

    Raises:
        BackupRefused: `key-differs`: another key has the name of one; nothing was changed.
        HsmError: the token refuses.
    """
    missing = missing_keys(token, backup_key, backup)
    pairs = missing_pairs(token, backup)
    restored: list[TokenKey] = []
    try:
        for key in missing:
            wrapped = bytes.fromhex(key.wrapped)
            wanted = (key.shape, _template(key))
            restored.append(unwrap_key(token, backup_key, key.reference, wrapped, wanted))
            _require_same(backup_key, restored[-1], key)
        restore_pairs(token, backup_key, pairs)
    except (HsmError, BackupRefused):
        for made in restored:
            made.handle.destroy()
        raise
    return len(restored) + len(pairs)


def is_restored(token: Token, backup_key: TokenKey, backup: Backup) -> bool:
    """Say whether all that a backup has is in the token.

    Raises:
        BackupRefused, HsmError: as restore does.
    """
    return not missing_keys(token, backup_key, backup) and not missing_pairs(token, backup)


def missing_keys(token: Token, backup_key: TokenKey, backup: Backup) -> list[BackedUpKey]:
    """Return the keys of a backup that are not in the token; the others are there as they were.

    Raises:
        BackupRefused: `key-differs`: another one has the name of one of them.
        HsmError: the token refuses.
    """
    missing = []
    for key in backup.keys:
        found = token.find_keys(key.reference)
        if len(found) > 1:
            raise _differs(key, f"{len(found)} keys have its name in the token")
        if found:
            _require_same(backup_key, found[0], key)
        else:
            missing.append(key)
    return missing


def _require_same(backup_key: TokenKey, found: TokenKey, key: BackedUpKey) -> None:
    """Make sure that a key of the token is that of a backup: wrapped, both are the same."""
    if found.shape != key.shape:
        raise _differs(key, "that of the token is of another type or length")
    if abilities(found) != key.may:
        raise _differs(key, f"that of the token may {_listed(abilities(found))}")
    if not found.handle[Attribute.EXTRACTABLE]:
        raise _differs(key, "that of the token cannot leave it, and so not be compared")
    if wrap_for_transport(backup_key, found).hex() != key.wrapped:
        raise _differs(key, "that of the token has another value")


def _template(key: BackedUpKey) -> Template:
    return {**RESTORED_KEY, **{ABILITIES[name]: True for name in key.may}}


def _differs(key: BackedUpKey, words: str) -> BackupRefused:
    return BackupRefused(
        BackupRule.KEY_DIFFERS,
        f"{key.reference}, {key.check_value}, may {_listed(key.may)} in the backup; {words}",
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
