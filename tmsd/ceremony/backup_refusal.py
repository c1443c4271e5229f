"""Why a share or a backup does not count: rules by names, which custodians and minutes see."""

from enum import StrEnum

from tmsd.ceremony.refusal import Refused


class BackupRule(StrEnum):
    """What was broken; docs/ceremonies.md explains each."""

    # Shares of the backup key
    SHARE_MALFORMED = "share-malformed"
    SHARE_FOREIGN = "share-foreign"
    SHARE_TWICE = "share-twice"
    SHARE_NOT_THE_SHOWN = "share-not-the-shown"
    SHARES_MISSING = "shares-missing"
    SHARES_UNFIT = "shares-unfit"

    # Backups
    BACKUP_EMPTY = "backup-empty"
    BACKUP_EXISTS = "backup-exists"
    BACKUP_MISSING = "backup-missing"
    BACKUP_MALFORMED = "backup-malformed"
    BACKUP_OF_OTHER_DEPLOYMENT = "backup-of-other-deployment"
    BACKUP_OF_OTHER_KEY = "backup-of-other-key"
    BACKUP_FORGED = "backup-forged"
    BACKUP_NOT_THE_APPROVED = "backup-not-the-approved"
    BACKUP_KEY_WRONG = "backup-key-wrong"

    # The keys of one
    KEY_DIFFERS = "key-differs"


class BackupRefused(Refused):
    """A rule forbids it.

    Attributes:
        rule: which one.
    """

    def __init__(self, rule: BackupRule, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule
