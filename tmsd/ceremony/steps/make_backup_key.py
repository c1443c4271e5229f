"""Step: make the backup key, and split it among custodians, each of whom writes a share down."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from hsm import importing
from hsm.attributes import BACKUP_KEY as BACKUP_KEY_ATTRIBUTES
from hsm.backup import backup_key_check_value, import_joined
from hsm.keys import AES_256, KeyReference
from hsm.secret import Secret
from tmsd.ceremony.backup_key import share_of
from tmsd.ceremony.people import Entry
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.shares import (
    KEY_LENGTH,
    MOST_SHARES,
    in_rows,
    read_share,
    require_same,
    split,
    still_missing,
)
from tmsd.ceremony.step import Facts, Step
from tmsd.config.reserved_keys import BACKUP_KEY
from tmsd.config.table import TOML
from tmsd.config.toml import Complaint
from tmsd.config.values import DISTINCT, Name


class MakeBackupKey(Step):
    """`make-backup-key`: the token has it only once every custodian has a share of it.

    Attributes:
        version: of the key, 1 to 255.
        shares_needed: how many shares make it again, at least 2.
        custodians: who gets one each: more than are needed, at most 16.
        confirm: whether each types theirs back once.
    """

    do: Literal["make-backup-key"]
    version: Annotated[int, Field(ge=1, le=255)] = 1
    shares_needed: Annotated[int, Field(ge=2, le=MOST_SHARES - 1)]
    custodians: Annotated[tuple[Name, ...], TOML, DISTINCT, Field(max_length=MOST_SHARES)]
    confirm: bool = True

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint where the loss of one share would be that of the key."""
        yield from super().complaints()
        if len(self.custodians) <= self.shares_needed:
            yield Complaint(
                ("custodians",),
                f"must be more than the {self.shares_needed} that it takes: a share can be lost",
            )

    def said(self) -> Iterator[str]:
        """Yield who gets a share, and what becomes of the key."""
        yield f"Make the backup key, version {self.version}, of 256 random bits of the token."
        yield f"Split it into {len(self.custodians)} shares (SLIP-39), of which"
        yield f"any {self.shares_needed} make it again. Alone at the screen one after another,"
        writes = "write theirs down and type it back" if self.confirm else "write theirs down"
        yield f"{', '.join(self.custodians)} {writes}."
        yield "While it is split it is in the clear in this program's memory, and then in"
        yield "the token alone, where it wraps and unwraps keys and does nothing else. If this"
        yield "is interrupted it begins anew with another key, and the shares of before are void."

    def perform(self, room: Room) -> Facts:
        """Make, split and hand it over, and at the end put it into the token."""
        room.require_custodians(self.custodians)
        reference = self._reference
        with room.token() as token:
            importing.require_absent(token, reference)
            key = Secret(token.random(KEY_LENGTH))
            with token.operation() as operation:
                check_value = backup_key_check_value(token, import_joined(operation, key))
        with key:
            shares = split(key, check_value, self.shares_needed, len(self.custodians))
            try:
                self._hand_over(room, shares, check_value)
            finally:
                for share in shares:
                    share.wipe()
            with room.token() as token:
                importing.import_key(token, reference, key, AES_256, BACKUP_KEY_ATTRIBUTES)
        return self._facts(check_value)

    def found(self, room: Room) -> Facts | None:
        """Return the key that is there: all custodians had their shares by then."""
        with room.token() as token:
            if not token.find_keys(self._reference):
                return None
            key = token.find_key(self._reference)
            if key.shape != AES_256 or not key.may("wrap_key"):
                raise Refused(f"{self._reference} is in the token, and is no backup key")
            return self._facts(backup_key_check_value(token, key))

    @property
    def _reference(self) -> KeyReference:
        return KeyReference(BACKUP_KEY, self.version)

    def _hand_over(self, room: Room, shares: Sequence[Secret], check_value: bytes) -> None:
        for custodian, share in zip(self.custodians, shares, strict=True):
            what = share_of(custodian, check_value.hex())
            rows = in_rows(share)
            with rows:
                room.hand_over(custodian, what, rows)
            if self.confirm:
                _confirm(room, custodian, what, share, check_value)

    def _facts(self, check_value: bytes) -> Facts:
        return {
            "key": f"{BACKUP_KEY}:{self.version}",
            "check_value": check_value.hex(),
            "shares": len(self.custodians),
            "shares_needed": self.shares_needed,
            "custodians": ", ".join(self.custodians),
            "exception": "the key was in the clear in memory while it was split",
        }


def _confirm(room: Room, custodian: str, what: str, share: Secret, check_value: bytes) -> None:
    def check(typed: Secret) -> str:
        read = read_share(typed, check_value)
        with read.words:
            require_same(read, share)
            return f"share {read.number}, as it was shown"

    def sample() -> Secret:
        return Secret(share.reveal())

    def missing(typed: Secret) -> str:
        return still_missing(typed, share)

    room.people.entered(Entry(custodian, what, check, sample, missing)).wipe()
