"""A database of either kind: brought to this release's schema, refused where it is unfit."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from tests.store.conftest import Kept
from tmsd.store.crls import Base, Extent, Scope, begin_delta
from tmsd.store.error import StoreError
from tmsd.store.schema import HEAD
from tmsd.store.tables import METADATA
from tmsd.store.upgrading import migrations

INSERT = "INSERT INTO used_challenges (digest, expires_ms) VALUES ('one', 0)"


def test_has_the_schema_that_the_tables_say(kept: Kept) -> None:
    engine = kept.place.open().engine
    with engine.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()

    assert differences == []


def test_the_last_step_by_its_number_is_the_last_of_the_way() -> None:
    assert ScriptDirectory.from_config(migrations()).get_heads() == [HEAD]


def test_each_step_of_the_schema_leads_back(kept: Kept) -> None:
    engine = kept.place.open().engine
    config = migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        command.upgrade(config, "head")
        assert METADATA.tables.keys() <= set(inspect(connection).get_table_names())
    engine.dispose()


def test_crls_of_before_there_were_partitions_are_of_the_whole_ca(kept: Kept) -> None:
    engine = kept.place.open().engine
    config = migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
        connection.exec_driver_sql("INSERT INTO authorities (name, changes) VALUES ('demo', 7)")
        connection.exec_driver_sql(
            "INSERT INTO crls (ca, partition, number, base, is_scheduled, changes,"
            " this_update_ms, next_update_ms, der)"
            " VALUES ('demo', -1, 4, NULL, true, 4, 10, 20, 'crl'),"
            " ('demo', -1, 5, 4, false, 5, 11, 12, 'delta')"
        )
        command.upgrade(config, "head")
        begun = begin_delta(connection, Scope("demo"), 15, 16)
    engine.dispose()

    assert begun.number == 6
    assert begun.base == Base(4, changes=4, extent=Extent(unexpired_ms=10, since=4))


def test_of_a_later_release_is_left_alone(kept: Kept) -> None:
    kept.place.open().engine.dispose()
    kept.do("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError, match="has revision 9999, of a later release"):
        kept.place.open()
    assert kept.rows("SELECT version_num FROM alembic_version") == [("9999",)]


def test_several_that_start_at_once_upgrade_it_once(kept: Kept) -> None:
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(lambda _: kept.place.open(), range(4)))
    for database in opened:
        database.engine.dispose()

    assert len(kept.rows("SELECT version_num FROM alembic_version")) == 1


def test_who_opens_it_to_read_cannot_write(kept: Kept) -> None:
    kept.place.open().engine.dispose()
    reading = kept.place.open_to_read().engine
    with pytest.raises(SQLAlchemyError, match=r"readonly|read-only"), reading.begin() as connection:
        connection.exec_driver_sql(INSERT)
    reading.dispose()


def test_who_reads_sees_one_state_while_others_write(kept: Kept) -> None:
    writing, reading = kept.place.open().engine, kept.place.open_to_read().engine
    count = "SELECT count(*) FROM used_challenges"
    with reading.begin() as reader:
        assert reader.exec_driver_sql(count).scalar() == 0
        with writing.begin() as writer:
            writer.exec_driver_sql(INSERT)
        assert reader.exec_driver_sql(count).scalar() == 0
    with reading.begin() as reader:
        assert reader.exec_driver_sql(count).scalar() == 1
    writing.dispose()
    reading.dispose()


def test_who_reads_upgrades_nothing(kept: Kept) -> None:
    kept.place.open().engine.dispose()
    kept.do("UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(StoreError, match="start the daemon of this release first"):
        kept.place.open_to_read()
