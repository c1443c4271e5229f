"""The backup key for the length of a step: as the token has it, or as custodians bring it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hsm.backup import backup_key_check_value, import_joined
from hsm.keys import KeyReference, TokenKey
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.backup_file import WrappingKey
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.ceremony.people import Entry
from tmsd.ceremony.room import Room
from tmsd.ceremony.shares import Share, join, read_share, still_missing
from tmsd.config.reserved_keys import BACKUP_KEY


def share_of(custodian: str, check_value: str) -> str:
    """Return what a share is called, at the screen and in the minutes."""
    return f"the share of {custodian} in the backup key {check_value}"


def entered_backup_key(room: Room, custodians: Sequence[str], wanted: WrappingKey) -> Secret:
    """Let custodians type their shares, one after another, until there are enough; join them.

    Args:
        room: where they are.
        custodians: who holds a share; of more than are needed, the last are not asked.
        wanted: which backup key.

    Raises:
        BackupRefused: `shares-missing` or `shares-unfit`.
        Ended: somebody wants to stop.
    """
    room.require_custodians(custodians)
    check_value = bytes.fromhex(wanted.check_value)
    shares: list[Share] = []
    try:
        for custodian in custodians:
            shares.append(_entered_share(room, custodian, check_value, shares))
            if len(shares) == shares[0].needed:
                return join(shares)
        raise BackupRefused(
            BackupRule.SHARES_MISSING,
            f"the backup key {wanted.check_value} takes {shares[0].needed} shares, "
            f"and the script names {len(custodians)} custodians",
        )
    finally:
        for share in shares:
            share.words.wipe()


@contextmanager
def joined_backup_key(token: Token, value: Secret, wanted: WrappingKey) -> Iterator[TokenKey]:
    """Put a backup key into the token for as long as it takes, if it is the right one.

    Raises:
        BackupRefused: `backup-key-wrong`.
        HsmError: the token refuses.
    """
    with token.operation() as operation:
        key = import_joined(operation, value)
        require_right(token, key, wanted)
        yield key


def kept_backup_key(token: Token, wanted: WrappingKey) -> TokenKey:
    """Return the backup key that the token has.

    Raises:
        KeyNotFound: it has none of this version.
        BackupRefused: `backup-key-wrong`.
        HsmError: the token refuses.
    """
    key = token.find_key(KeyReference(BACKUP_KEY, wanted.version))
    require_right(token, key, wanted)
    return key


def require_right(token: Token, key: TokenKey, wanted: WrappingKey) -> None:
    """Make sure that a backup key has the check value that it should have.

    Raises:
        BackupRefused: `backup-key-wrong`.
        HsmError: the token refuses.
    """
    found = backup_key_check_value(token, key).hex()
    if found != wanted.check_value:
        raise BackupRefused(
            BackupRule.BACKUP_KEY_WRONG,
            f"the backup key has the check value {found}, and should have {wanted.check_value}",
        )


def _entered_share(
    room: Room, custodian: str, check_value: bytes, before: Sequence[Share]
) -> Share:
    def check(typed: Secret) -> str:
        share = read_share(typed, check_value, before)
        share.words.wipe()
        return f"share {share.number}, of which it takes {share.needed}"

    def sample() -> Secret:
        raise BackupRefused(BackupRule.SHARES_MISSING, "nobody wrote it down in this rehearsal")

    what = share_of(custodian, check_value.hex())
    typed = room.people.entered(Entry(custodian, what, check, sample, still_missing))
    with typed:
        return read_share(typed, check_value, before)
