"""Who has the file of a backup and not the backup key changes nothing in it unnoticed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute

from hsm.attributes import BACKUP_KEY as BACKUP_KEY_ATTRIBUTES
from hsm.attributes import MASTER_KEY
from hsm.errors import KeyNotFound
from hsm.importing import import_key
from hsm.keys import AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tmsd.ceremony.backing_up import back_up, require_authentic, require_restorable
from tmsd.ceremony.backup_file import Backup, read_backup
from tmsd.ceremony.backup_key import kept_backup_key
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.config.reserved_keys import BACKUP_KEY
from tmsd.quorum import canonical

NOW = datetime(2026, 1, 31, tzinfo=UTC)
KNOWN = bytes(range(32))


@pytest.fixture(scope="module")
def token(softhsm: SoftHsm) -> Iterator[Token]:
    """A token with a backup key, and a key whose value others know as well."""
    with open_token(softhsm.make_token(), Secret(USER_PIN), writable=True) as token:
        extractable = {**MASTER_KEY, Attribute.EXTRACTABLE: True}
        import_key(token, KeyReference("known", 1), Secret(KNOWN), AES_256, extractable)
        for version, value in ((1, bytes(32)), (2, KNOWN)):
            reference = KeyReference(BACKUP_KEY, version)
            import_key(token, reference, Secret(value), AES_256, BACKUP_KEY_ATTRIBUTES)
        yield token


@pytest.fixture(scope="module")
def backup(token: Token) -> Backup:
    """A backup of the known key."""
    return back_up(token, 1, "pilot", NOW)


def looked_over(token: Token, path: Path) -> Backup:
    """Read a backup, and authenticate it."""
    backup, _ = read_backup(path, "pilot")
    require_authentic(token, kept_backup_key(token, backup.backup_key), backup)
    return backup


def rule_of(token: Token, backup: Backup) -> BackupRule:
    """Return why a backup is not authentic."""
    key = token.find_key(KeyReference(BACKUP_KEY, 1))
    with pytest.raises(BackupRefused) as refused:
        require_authentic(token, key, backup)
    return refused.value.rule


def test_it_is_read_as_it_was_written(token: Token, backup: Backup, tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(canonical.encode(backup))

    assert looked_over(token, tmp_path / "backup") == backup


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_any_bit_that_is_flipped_is_noticed(
    token: Token, backup: Backup, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(canonical.encode(backup))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "forged").write_bytes(content)

    with pytest.raises((BackupRefused, KeyNotFound)):  # no key where the version was flipped
        looked_over(token, tmp_path / "forged")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.binary(max_size=300))
def test_what_is_no_backup_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none").write_bytes(content)

    with pytest.raises(BackupRefused) as refused:
        read_backup(tmp_path / "none", "pilot")

    assert refused.value.rule is BackupRule.BACKUP_MALFORMED


def test_a_backup_of_another_deployment_is_refused(backup: Backup, tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(canonical.encode(backup))

    with pytest.raises(BackupRefused, match="of pilot, and the script of production") as refused:
        read_backup(tmp_path / "backup", "production")

    assert refused.value.rule is BackupRule.BACKUP_OF_OTHER_DEPLOYMENT


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="No such file") as refused:
        read_backup(tmp_path / "backup", "pilot")

    assert refused.value.rule is BackupRule.BACKUP_MISSING


def test_a_key_in_the_backup_that_others_know_is_no_key_of_its_mac(
    token: Token, backup: Backup
) -> None:
    forged = msgspec.structs.replace(backup, mac_key=backup.keys[0].wrapped)

    assert rule_of(token, forged) is BackupRule.BACKUP_FORGED


def test_the_mac_of_another_backup_is_none_of_this(token: Token, backup: Backup) -> None:
    other = back_up(token, 1, "other", NOW)
    forged = msgspec.structs.replace(backup, mac_key=other.mac_key, mac=other.mac)

    assert rule_of(token, forged) is BackupRule.BACKUP_FORGED


def test_a_backup_under_another_key_is_told_from_a_forged_one(token: Token) -> None:
    assert rule_of(token, back_up(token, 2, "pilot", NOW)) is BackupRule.BACKUP_OF_OTHER_KEY


def test_keys_are_proven_by_their_check_values(token: Token, backup: Backup) -> None:
    key = token.find_key(KeyReference(BACKUP_KEY, 1))
    require_restorable(token, key, backup)
    altered = msgspec.structs.replace(backup.keys[0], check_value="000000")

    with pytest.raises(BackupRefused, match="'known' version 1") as refused:
        require_restorable(token, key, msgspec.structs.replace(backup, keys=(altered,)))

    assert refused.value.rule is BackupRule.KEY_DIFFERS
