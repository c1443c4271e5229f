"""Step: put the keys of a backup back, into an empty token or beside the same."""

from collections.abc import Iterator
from typing import Literal

from hsm import importing
from hsm.attributes import BACKUP_KEY as BACKUP_KEY_ATTRIBUTES
from hsm.keys import AES_256, KeyReference, TokenKey
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.backing_up import require_authentic, require_restorable
from tmsd.ceremony.backup_file import Backup, WrappingKey
from tmsd.ceremony.backup_key import (
    entered_backup_key,
    joined_backup_key,
    kept_backup_key,
    require_right,
)
from tmsd.ceremony.backup_step import BackupStep
from tmsd.ceremony.restoring import is_restored, restore
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.steps.back_up import facts_of_backup
from tmsd.config.reserved_keys import BACKUP_KEY


class Restore(BackupStep):
    """`restore`."""

    do: Literal["restore"]

    def said(self) -> Iterator[str]:
        """Yield what is put back."""
        yield f"Restore the keys of the backup {self.file}, each as it was. Those that are in the"
        yield "token already are left; another key in the place of one stops it."
        yield from self.said_of_backup_key()
        if self.custodians:
            yield "At the end it stays in the token, as where the backup was made."

    def perform(self, room: Room) -> Facts:
        """Verify the backup, put the keys back, and the backup key last."""
        backup, content = self.read(room)
        if not self.custodians:
            with room.token() as token:
                key = kept_backup_key(token, backup.backup_key)
                restored = _restore(token, key, backup)
        else:
            value = entered_backup_key(room, self.custodians, backup.backup_key)
            restored = _restore_joined(room, value, backup)
        return {**facts_of_backup(backup, content), "restored": restored}

    def found(self, room: Room) -> Facts | None:
        """Return the backup, if all of its keys are in the token, and the backup key."""
        backup, content = self.read(room)
        wanted = backup.backup_key
        with room.token() as token:
            if not token.find_keys(_reference(wanted)):
                return None
            key = kept_backup_key(token, wanted)
            require_authentic(token, key, backup)
            if not is_restored(token, key, backup):
                return None
        return facts_of_backup(backup, content)


def _restore(token: Token, key: TokenKey, backup: Backup) -> int:
    require_authentic(token, key, backup)
    require_restorable(token, key, backup)
    return restore(token, key, backup)


def _restore_joined(room: Room, value: Secret, backup: Backup) -> int:
    wanted = backup.backup_key
    with value, room.token() as token:
        there = token.find_keys(_reference(wanted))
        for key in there:
            require_right(token, key, wanted)
        with joined_backup_key(token, value, wanted) as key:
            restored = _restore(token, key, backup)
        if not there:
            importing.import_key(token, _reference(wanted), value, AES_256, BACKUP_KEY_ATTRIBUTES)
    return restored


def _reference(key: WrappingKey) -> KeyReference:
    return KeyReference(BACKUP_KEY, key.version)
