"""Step: prove that a backup can be restored, without doing so."""

from collections.abc import Iterator
from typing import Literal

from hsm.keys import TokenKey
from hsm.token import Token
from tmsd.ceremony.backing_up import require_authentic, require_restorable
from tmsd.ceremony.backup_file import Backup
from tmsd.ceremony.backup_key import entered_backup_key, joined_backup_key, kept_backup_key
from tmsd.ceremony.backup_step import BackupStep
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.steps.back_up import facts_of_backup


class VerifyBackup(BackupStep):
    """`verify-backup`."""

    do: Literal["verify-backup"]

    def said(self) -> Iterator[str]:
        """Yield how it is proven."""
        yield f"Prove that the backup {self.file} can be restored, without doing so: each of its"
        yield "keys is unwrapped in the token for a moment, and its check value compared."
        yield from self.said_of_backup_key()

    def perform(self, room: Room) -> Facts:
        """Unwrap each key as an object of the session, and nothing more."""
        backup, content = self.read(room)
        if not self.custodians:
            with room.token() as token:
                _verify(token, kept_backup_key(token, backup.backup_key), backup)
            return facts_of_backup(backup, content)
        value = entered_backup_key(room, self.custodians, backup.backup_key)
        with (
            value,
            room.token() as token,
            joined_backup_key(token, value, backup.backup_key) as key,
        ):
            _verify(token, key, backup)
        return facts_of_backup(backup, content)

    def found(self, room: Room) -> Facts | None:  # noqa: ARG002  there is nothing to look for
        """Return nothing: it leaves nothing behind, and is done anew."""
        return None


def _verify(token: Token, key: TokenKey, backup: Backup) -> None:
    require_authentic(token, key, backup)
    require_restorable(token, key, backup)
