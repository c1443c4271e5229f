"""The database file: made private, durable, refused where unfit."""

import sqlite3
from pathlib import Path

import pytest

from tmsd.store.error import StoreError
from tmsd.store.sqlite import SqliteFile


def test_is_its_owners_alone(tmp_path: Path) -> None:
    SqliteFile(tmp_path / "store.db").open().engine.dispose()

    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


def test_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "50% of ä?#&.db"
    SqliteFile(path).open().engine.dispose()
    SqliteFile(path).open_to_read().engine.dispose()

    beside = {path.name + suffix for suffix in ("-shm", "-wal")}
    assert {each.name for each in tmp_path.iterdir()} - beside == {path.name}


def test_commits_are_durable_and_writers_do_not_lock_readers_out(tmp_path: Path) -> None:
    engine = SqliteFile(tmp_path / "store.db").open().engine
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    engine.dispose()


def test_of_a_later_release_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteFile(path).open().engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="has revision 9999"):
        SqliteFile(path).open()
    assert path.read_bytes() == before


def test_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is no database, and long enough to be taken for one" * 20)
    path.chmod(0o600)

    with pytest.raises(StoreError, match="file is not a database"):
        SqliteFile(path).open()


def test_that_others_may_read_or_that_is_elsewhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o644)
    with pytest.raises(StoreError, match="its owner alone"):
        SqliteFile(path).open()
    (tmp_path / "link.db").symlink_to(path)
    with pytest.raises(StoreError, match=r"link\.db"):
        SqliteFile(tmp_path / "link.db").open()
    with pytest.raises(StoreError, match="No such file or directory"):
        SqliteFile(tmp_path / "missing" / "store.db").open()


@pytest.mark.parametrize("mode", [0o660, 0o650, 0o641, 0o644, 0o642])
def test_that_its_group_may_write_or_anybody_may_use_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(mode)
    with pytest.raises(StoreError, match=r"its group may read \(chmod 0640\)"):
        SqliteFile(path).open()


def test_that_its_group_may_read_is_read_by_its_group(tmp_path: Path) -> None:
    """As docs/ocsp.md has it; what SQLite puts beside the file is for the group as well."""
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(0o640)
    database = SqliteFile(path).open()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO authorities VALUES ('demo', 0)")
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    database.engine.dispose()
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm"), 0o640)


def test_that_somebody_else_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmsd.store.sqlite._BUSY_SECONDS", 0.05)
    path = tmp_path / "store.db"
    SqliteFile(path).open().engine.dispose()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreError, match="locked"):
        SqliteFile(path).open()
    holder.close()
