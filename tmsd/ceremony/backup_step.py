"""What steps that read a backup have in common: its file, and who brings the key that opens it."""

from abc import ABC
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from tmsd.ceremony.backup_file import Backup, read_backup
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.ceremony.room import Room
from tmsd.ceremony.shares import MOST_SHARES
from tmsd.ceremony.step import Facts, Step
from tmsd.ceremony.steps.back_up import facts_of_backup
from tmsd.config.table import TOML
from tmsd.config.values import DISTINCT, Name


class BackupStep(Step, ABC):
    """A step that reads a backup.

    Attributes:
        file: the backup's name, in the folder of the minutes.
        custodians: who brings the backup key; by default the token has it.
    """

    file: Name
    custodians: Annotated[tuple[Name, ...], TOML, DISTINCT, Field(max_length=MOST_SHARES)] = ()

    def said_of_backup_key(self) -> Iterator[str]:
        """Yield where the backup key comes from."""
        if self.custodians:
            yield f"{', '.join(self.custodians)} type their shares, alone at the screen one after"
            yield "another, until there are enough. While they are joined, the backup key is in the"
            yield "clear in this program's memory."
        else:
            yield "The token has the backup key."

    def also_asked(self, room: Room) -> Facts:
        """Return which backup it is, as its file says it; nothing of it is verified yet."""
        return facts_of_backup(*self._read(room))

    def read(self, room: Room) -> tuple[Backup, bytes]:
        """Return the backup that was approved, and its bytes; nothing of it is verified yet.

        Raises:
            BackupRefused: as read_backup does; `backup-not-the-approved`.
        """
        backup, content = self._read(room)
        found = facts_of_backup(backup, content)["backup_sha256"]
        if found != (approved := room.approved.get("backup_sha256")):
            raise BackupRefused(
                BackupRule.BACKUP_NOT_THE_APPROVED,
                f"{self.file} has the SHA-256 {found}, and what was approved has {approved}",
            )
        return backup, content

    def _read(self, room: Room) -> tuple[Backup, bytes]:
        return read_backup(room.folder / self.file, room.deployment)
