"""Step: prove that a backup can be restored, without doing so."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hsm.keys import TokenKey
from hsm.token import Token
from tmsd.ceremony.backing_up import require_authentic, require_restorable
from tmsd.ceremony.backup_file import Backup, read_backup
from tmsd.ceremony.backup_key import entered_backup_key, joined_backup_key, kept_backup_key
from tmsd.ceremony.room import Room
from tmsd.ceremony.shares import MOST_SHARES
from tmsd.ceremony.step import Facts, Step
from tmsd.ceremony.steps.back_up import facts_of_backup
from tmsd.config.table import TOML
from tmsd.config.values import DISTINCT, Name


class VerifyBackup(Step):
    """`verify-backup`.

    Attributes:
        file: the backup's name, in the folder of the minutes.
        custodians: who brings the backup key; by default the token has it.
    """

    do: Literal["verify-backup"]
    file: Name
    custodians: Annotated[tuple[Name, ...], TOML, DISTINCT, Field(max_length=MOST_SHARES)] = ()

    def said(self) -> Iterator[str]:
        """Yield how it is proven."""
        yield f"Prove that the backup {self.file} can be restored, without doing so: each of its"
        yield "keys is unwrapped in the token for a moment, and its check value compared."
        yield from said_of_backup_key(self.custodians)

    def perform(self, room: Room) -> Facts:
        """Unwrap each key as an object of the session, and nothing more."""
        backup, content = read_backup(room.folder / self.file, room.deployment)
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


def said_of_backup_key(custodians: tuple[str, ...]) -> Iterator[str]:
    """Yield where the backup key comes from."""
    if custodians:
        yield f"{', '.join(custodians)} type their shares, alone at the screen one after another,"
        yield "until there are enough. While they are joined, the backup key is in the clear in"
        yield "this program's memory."
    else:
        yield "The token has the backup key."


def _verify(token: Token, key: TokenKey, backup: Backup) -> None:
    require_authentic(token, key, backup)
    require_restorable(token, key, backup)
