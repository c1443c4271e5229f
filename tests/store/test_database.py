"""The database file: made private, brought to this release's schema, refused where unfit."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from tmsd.store.database import StoreError, migrations, open_database
from tmsd.store.tables import METADATA


def test_is_its_owners_alone(tmp_path: Path) -> None:
    open_database(tmp_path / "store.db").dispose()

    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


def test_has_the_schema_that_the_tables_say(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "store.db")
    with engine.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()

    assert differences == []


def test_commits_are_durable_and_writers_do_not_lock_readers_out(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "store.db")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    engine.dispose()


def test_each_step_of_the_schema_leads_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_database(path).dispose()
    engine = create_engine(f"sqlite:///{path}")
    config = migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        command.upgrade(config, "head")
        assert METADATA.tables.keys() <= set(inspect(connection).get_table_names())
    engine.dispose()


def test_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    engine = open_database(path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="has revision 9999, of a later release"):
        open_database(path)
    assert path.read_bytes() == before


def test_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is no database, and long enough to be taken for one" * 20)
    path.chmod(0o600)

    with pytest.raises(StoreError, match="file is not a database"):
        open_database(path)


def test_that_others_may_read_or_that_is_elsewhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o644)
    with pytest.raises(StoreError, match="its owner alone"):
        open_database(path)
    (tmp_path / "link.db").symlink_to(path)
    with pytest.raises(StoreError, match=r"link\.db"):
        open_database(tmp_path / "link.db")
    with pytest.raises(StoreError, match="No such file or directory"):
        open_database(tmp_path / "missing" / "store.db")


def test_that_somebody_else_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmsd.store.database._BUSY_SECONDS", 0.05)
    path = tmp_path / "store.db"
    open_database(path).dispose()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreError, match="locked"):
        open_database(path)
    holder.close()
