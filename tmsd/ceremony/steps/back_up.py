"""Step: back up every key that may be, wrapped in the token under the backup key, into a file."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import Field

from hsm.keys import KeyReference
from tmsd import clock
from tmsd.ceremony.backing_up import back_up, require_authentic
from tmsd.ceremony.backup_file import Backup, WrappingKey, read_backup
from tmsd.ceremony.backup_key import kept_backup_key
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.ceremony.new_file import PRIVATE, write_new
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step
from tmsd.config.values import Name
from tmsd.quorum import canonical


class BackUp(Step):
    """`back-up`.

    Attributes:
        file: the backup's name, in the folder of the minutes.
        version: of the backup key, 1 to 255.
    """

    do: Literal["back-up"]
    file: Name
    version: Annotated[int, Field(ge=1, le=255)] = 1

    def said(self) -> Iterator[str]:
        """Yield what goes into the backup."""
        yield 'Back up every key that was made with backup = "quorum" into the file'
        yield f"{self.file}: wrapped in the token under the backup key, version {self.version}."

    def perform(self, room: Room) -> Facts:
        """Wrap the keys, and write the file once it is whole."""
        path = room.folder / self.file
        if path.exists():
            raise BackupRefused(BackupRule.BACKUP_EXISTS, f"{path} is there already")
        with room.token() as token:
            made = back_up(token, self.version, room.deployment, clock.now())
        write_new(path, canonical.encode(made), PRIVATE)
        return facts_of_backup(*read_backup(path, room.deployment))

    def found(self, room: Room) -> Facts | None:
        """Return the backup that is there, if it is of the keys that the token has.

        Raises:
            BackupRefused: `backup-exists`: it is another one; `backup-forged`, or as read_backup.
            HsmError: the token refuses.
        """
        path = room.folder / self.file
        if not path.exists():
            return None
        backup, content = read_backup(path, room.deployment)
        with room.token() as token:
            require_authentic(token, kept_backup_key(token, backup.backup_key), backup)
            of_now = back_up(token, self.version, room.deployment, clock.now())
        if _keys_in(backup) != _keys_in(of_now):
            raise BackupRefused(
                BackupRule.BACKUP_EXISTS, f"{path} is there, and is of other keys than the token's"
            )
        return facts_of_backup(backup, content)


def _keys_in(backup: Backup) -> set[tuple[WrappingKey, KeyReference, str]]:
    """Return which keys are in a backup, each by its name and what it is known by."""
    known = {(key.reference, key.check_value) for key in backup.keys}
    known |= {(pair.reference, pair.public_key) for pair in backup.key_pairs}
    return {(backup.backup_key, *each) for each in known}


def facts_of_backup(backup: Backup, content: bytes) -> Facts:
    """Return what the minutes say of a backup; each of its keys has a line in the file."""
    return {
        "backup_sha256": sha256(content).hexdigest(),
        "backup_key": f"{backup.backup_key.version}, {backup.backup_key.check_value}",
        "made": backup.made,
        "keys": len(backup.keys),
        "key_pairs": len(backup.key_pairs),
    }
