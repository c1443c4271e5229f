"""A PostgreSQL server that ends, fills up or hangs up is a refusal, and is reached again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, text

from tests.postgresql.cluster import Cluster
from tests.postgresql.relay import relayed
from tests.store.conftest import Kept, kept_in
from tests.store.jobs import PUT, digests, put
from tmsd.errors import Code, ServiceError
from tmsd.store.error import StoreError
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.store import Store

ENDINGS: dict[str, Callable[[Cluster], None]] = {"killed": Cluster.kill, "stopped": Cluster.stop}


async def refusal(store: Store, job: Callable[[Connection], object]) -> Code:
    with pytest.raises(ServiceError) as refused:
        await store.run(job)
    return refused.value.code


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
async def test_a_server_that_ended_is_reached_again_without_a_restart(
    own_postgresql: Cluster, end: Callable[[Cluster], None]
) -> None:
    kept = kept_in(own_postgresql, own_postgresql.make_database())
    async with Store.open(kept.place) as store:
        await store.run(put(b"before"))
        end(own_postgresql)
        assert await refusal(store, put(b"meanwhile")) is Code.STORE_UNAVAILABLE
        assert "connection to server" in (store.fault or "")
        own_postgresql.start()

        await store.run(put(b"after"))
        assert store.fault is None
        assert digests(kept) == {b"before", b"after"}


async def test_a_server_that_was_restarted_between_requests_costs_no_request(
    own_postgresql: Cluster,
) -> None:
    kept = kept_in(own_postgresql, own_postgresql.make_database())
    async with Store.open(kept.place) as store:
        await store.run(put(b"before"))
        own_postgresql.kill()
        own_postgresql.start()
        await store.run(put(b"after"))


async def test_a_connection_that_is_cut_in_mid_transaction_leaves_nothing(
    postgresql_kept: Kept,
) -> None:
    def cut(connection: Connection) -> None:
        connection.execute(PUT, {"digest": b"half"})
        postgresql_kept.rows(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'tmsd'"
        )
        connection.execute(PUT, {"digest": b"other half"})

    async with Store.open(postgresql_kept.place) as store:
        outcomes = await asyncio.gather(
            store.run(put(b"one")), store.run(cut), return_exceptions=True
        )
        codes = [getattr(outcome, "code", None) for outcome in outcomes]
        assert codes == [Code.STORE_UNAVAILABLE] * 2
        assert "terminating connection" in (store.fault or "")

        await store.run(put(b"two"))
        assert store.fault is None
        assert digests(postgresql_kept) == {b"two"}


async def test_a_commit_whose_answer_is_lost_is_told_as_unavailable_and_not_repeated(
    postgresql: Cluster, tmp_path: Path
) -> None:
    runs = 0

    def counted(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        put(b"committed")(connection)

    database = postgresql.make_database()
    kept = kept_in(postgresql, database)
    with relayed(postgresql.folder, tmp_path) as relay:
        async with Store.open(
            PostgresqlServer(f"postgresql://tmsd@/{database}?host={tmp_path}")
        ) as store:
            relay.loses_answers = True
            assert await refusal(store, counted) is Code.STORE_UNAVAILABLE
            relay.loses_answers = False

            await store.run(put(b"after"))
    async with asyncio.timeout(60):  # a busy server commits when nobody is there any more
        while digests(kept) != {b"committed", b"after"}:  # noqa: ASYNC110  another process does it
            await asyncio.sleep(0.05)
    assert runs == 1


async def test_a_full_disk_is_a_refusal_that_says_so_and_heals(cramped_postgresql: Cluster) -> None:
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql(
            "CREATE TABLE filling AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
        )

    kept = kept_in(cramped_postgresql, cramped_postgresql.make_small_database())
    async with Store.open(kept.place) as store:
        await store.run(put(b"before"))
        assert await refusal(store, fill) is Code.STORE_UNAVAILABLE
        assert "No space left on device" in (store.fault or "")

        await store.run(put(b"after"))
        assert store.fault is None
        assert digests(kept) == {b"before", b"after"}


async def test_what_no_order_of_two_daemons_explains_is_run_again(postgresql_kept: Kept) -> None:
    """Each adds a row if there is none; both look before either has added."""
    both_have_looked = Barrier(2)
    runs: list[str] = []

    def add_the_first(name: str) -> Callable[[Connection], bool]:
        def job(connection: Connection) -> bool:
            is_empty = not connection.execute(text("SELECT count(*) FROM used_challenges")).scalar()
            if name not in runs:
                both_have_looked.wait(30)
            runs.append(name)
            if is_empty:
                connection.execute(PUT, {"digest": name.encode()})
            return is_empty

        return job

    async with Store.open(postgresql_kept.place) as one, Store.open(postgresql_kept.place) as other:
        added = await asyncio.gather(one.run(add_the_first("a")), other.run(add_the_first("b")))
    assert sorted(added) == [False, True]
    assert len(runs) == 3
    assert len(digests(postgresql_kept)) == 1


async def test_who_always_loses_is_told_in_the_end(postgresql_kept: Kept) -> None:
    def losing(connection: Connection) -> None:
        connection.exec_driver_sql(
            "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = 'serialization_failure'; END $$"
        )

    async with Store.open(postgresql_kept.place) as store:
        assert await refusal(store, losing) is Code.STORE_UNAVAILABLE
        assert store.fault == "lost"


async def test_what_is_committed_is_on_the_disk(postgresql_kept: Kept) -> None:
    def setting(connection: Connection) -> object:
        return connection.execute(text("SHOW synchronous_commit")).scalar()

    postgresql_kept.place.open().engine.dispose()
    postgresql_kept.do("ALTER ROLE tmsd SET synchronous_commit = off")
    async with Store.open(postgresql_kept.place) as store:
        assert await store.run(setting) == "on"


async def test_a_wrong_password_is_told_without_it(own_postgresql: Cluster, tmp_path: Path) -> None:
    database = own_postgresql.make_database()
    kept = kept_in(own_postgresql, database)
    kept.do("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'the right one'")
    own_postgresql.demand_passwords_of("guarded")
    file = tmp_path / "password"
    place = PostgresqlServer(own_postgresql.url(database, "guarded"), file)
    file.write_text("a wrong one\n")
    file.chmod(0o600)
    with pytest.raises(StoreError, match="password authentication failed") as refused:
        place.open()
    assert "a wrong one" not in str(refused.value)

    file.write_text("the right one\n")
    async with Store.open(place) as store:
        await store.run(put(b"one"))

    file.chmod(0o644)
    with pytest.raises(StoreError, match="none but its owner may use"):
        place.open()
