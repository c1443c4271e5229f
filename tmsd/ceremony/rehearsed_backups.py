"""What a rehearsal takes over from ceremonies that went before: a backup, its key, and shares."""

from dataclasses import replace

from hsm import importing
from hsm.attributes import BACKUP_KEY as BACKUP_KEY_ATTRIBUTES
from hsm.backup import backup_key_check_value
from hsm.keys import AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import Token
from tmsd import clock
from tmsd.ceremony.backing_up import back_up
from tmsd.ceremony.backup_key import share_of
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script
from tmsd.ceremony.shares import KEY_LENGTH, split
from tmsd.ceremony.steps.back_up import BackUp
from tmsd.ceremony.steps.generate_key import generate_key
from tmsd.ceremony.steps.initialise_token import InitialiseToken
from tmsd.ceremony.steps.make_backup_key import MakeBackupKey
from tmsd.ceremony.steps.restore import Restore
from tmsd.ceremony.steps.verify_backup import VerifyBackup
from tmsd.ceremony.wanted_key import Backup, WantedKey
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.reserved_keys import BACKUP_KEY
from tmsd.quorum import canonical

_BACKED_UP = WantedKey(
    KeyReference("made up for the rehearsal", 1), KeyAlgorithm.AES256, backup=Backup.QUORUM
)
_VERSION = 255  # of a backup key that no script makes


def leave_backups(script: Script, room: Room) -> None:
    """Make what the script expects to be there: backup keys in the token, backups, and shares.

    Backups that custodians bring the key of are made in a token of their own.

    Raises:
        HsmError: the tokens refuse.
    """
    keys: set[int] = set()
    files: set[str] = set()
    blank = isinstance(script.steps[0], InitialiseToken)
    for step in script.steps:
        match step:
            case MakeBackupKey():
                keys.add(step.version)
            case BackUp():
                if not blank:
                    with room.token() as token:
                        if step.version not in keys:
                            _leave_backup_key(token, room, step.version, ())
                        _leave_key(token)
                keys.add(step.version)
                files.add(step.file)
            case VerifyBackup() | Restore() if step.file not in files:
                readers = _readers(script, step.file)
                custodians = tuple({name: None for each in readers for name in each.custodians})
                kept = not blank and not all(each.custodians for each in readers)
                _leave_backup(room if kept else _other_token(room), step.file, custodians)
                files.add(step.file)


def _readers(script: Script, file: str) -> list[VerifyBackup | Restore]:
    return [
        step
        for step in script.steps
        if isinstance(step, VerifyBackup | Restore) and step.file == file
    ]


def _leave_backup(room: Room, file: str, custodians: tuple[str, ...]) -> None:
    with room.token() as token:
        _leave_backup_key(token, room, _VERSION, custodians)
        _leave_key(token)
        backup = back_up(token, _VERSION, room.deployment, clock.now())
    (room.folder / file).write_bytes(canonical.encode(backup))


def _leave_key(token: Token) -> None:
    """Put a key to be backed up into a token, which may have it already."""
    if not token.find_keys(_BACKED_UP.reference):
        generate_key(token, _BACKED_UP)


def _leave_backup_key(token: Token, room: Room, version: int, custodians: tuple[str, ...]) -> None:
    """Put a backup key into a token, and hand over shares."""
    reference = KeyReference(BACKUP_KEY, version)
    key = Secret(token.random(KEY_LENGTH))
    with key:
        made = importing.import_key(token, reference, key, AES_256, BACKUP_KEY_ATTRIBUTES)
        check_value = backup_key_check_value(token, made)
        if custodians:
            shares = split(key, check_value, min(2, len(custodians)), len(custodians))
            for custodian, share in zip(custodians, shares, strict=True):
                room.people.handed_over(custodian, share_of(custodian, check_value.hex()), share)


def _other_token(room: Room) -> Room:
    hsm = room.binding.hsm.model_copy(update={"token_label": "before the rehearsal"})
    other = replace(room, binding=room.binding.model_copy(update={"hsm": hsm}))
    step = InitialiseToken(do="initialise-token")
    if step.found(other) is None:
        step.perform(other)
    return other
