"""Jobs on the database: each whole or not at all, durable when it has answered, and never stuck."""

import asyncio

import pytest
from sqlalchemy import Connection, text

from tests.store.conftest import Kept
from tests.store.jobs import PUT, digests, put
from tmsd.errors import Code, ServiceError
from tmsd.store.store import ConstraintViolated, Store


async def test_what_a_job_did_is_there_for_others_when_it_has_answered(kept: Kept) -> None:
    async with Store.open(kept.place) as store:
        assert await store.run(put(b"one")) == b"one"
        assert digests(kept) == {b"one"}


async def test_a_job_that_refuses_leaves_nothing_and_harms_no_other(kept: Kept) -> None:
    def refusing(connection: Connection) -> None:
        connection.execute(PUT, {"digest": b"half"})
        raise ServiceError(Code.OVERLOADED, "no")

    async with Store.open(kept.place) as store:
        outcomes = await asyncio.gather(
            store.run(put(b"one")),
            store.run(refusing),
            store.run(put(b"two")),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], ServiceError)
        assert digests(kept) == {b"one", b"two"}


async def test_a_job_that_fails_in_its_own_way_fails_for_its_asker_alone(kept: Kept) -> None:
    def failing(_connection: Connection) -> None:
        raise ZeroDivisionError

    async with Store.open(kept.place) as store:
        outcomes = await asyncio.gather(
            store.run(failing), store.run(put(b"one")), return_exceptions=True
        )
        assert isinstance(outcomes[0], ZeroDivisionError)
        assert await store.run(put(b"two")) == b"two"
        assert digests(kept) == {b"one", b"two"}


async def test_what_the_tables_do_not_allow_is_the_fault_of_one_job_and_told_without_values(
    kept: Kept,
) -> None:
    def violating(connection: Connection) -> None:
        connection.execute(
            text("INSERT INTO used_challenges (digest, expires_ms) VALUES (:digest, NULL)"),
            {"digest": b"secret"},
        )

    async with Store.open(kept.place) as store:
        outcomes = await asyncio.gather(
            store.run(violating), store.run(put(b"one")), return_exceptions=True
        )
        assert isinstance(outcomes[0], ConstraintViolated)
        assert "expires_ms" in str(outcomes[0])
        assert "secret" not in str(outcomes[0])
        assert b"secret".hex() not in str(outcomes[0])
        assert digests(kept) == {b"one"}
        assert store.fault is None


async def test_after_the_end_nothing_is_taken_in(kept: Kept) -> None:
    async with Store.open(kept.place) as store:
        pass
    with pytest.raises(ServiceError) as refused:
        await store.run(put(b"late"))
    assert refused.value.code is Code.STORE_UNAVAILABLE
