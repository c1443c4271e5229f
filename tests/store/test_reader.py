"""Reading beside the writer."""

import asyncio
import threading

import pytest
from sqlalchemy import Connection

from tests.store.certificates import DEMO, NOW_MS, request
from tests.store.conftest import Kept
from tests.store.jobs import put
from tmsd.errors import Code, ServiceError
from tmsd.store.certificates import find, open_authority, prepare
from tmsd.store.reader import Reader
from tmsd.store.store import Store


async def test_what_was_committed_is_read(kept: Kept) -> None:
    wanted = request()

    def write(connection: Connection) -> None:
        open_authority(connection, DEMO)
        prepare(connection, wanted, NOW_MS)

    async with Store.open(kept.place) as store, Reader.open(kept.place) as reader:
        await store.run(write)
        record = await reader.run(lambda connection: find(connection, DEMO, wanted.serial))
    assert record is not None
    assert record.serial == wanted.serial


async def test_a_reader_that_takes_long_holds_up_nobody(kept: Kept) -> None:
    reading, may_end = threading.Event(), threading.Event()

    def long(connection: Connection) -> object:
        first = find(connection, DEMO, bytes(16))
        reading.set()
        may_end.wait(30)
        return first

    async with Store.open(kept.place) as store, Reader.open(kept.place) as reader:
        task = asyncio.create_task(reader.run(long))
        await asyncio.to_thread(reading.wait, 30)
        await store.run(put(b"meanwhile"))
        assert await reader.run(lambda connection: find(connection, DEMO, bytes(16))) is None
        may_end.set()
        assert await task is None


async def test_who_reads_writes_nothing(kept: Kept) -> None:
    async with Store.open(kept.place), Reader.open(kept.place) as reader:
        with pytest.raises(ServiceError) as refused:
            await reader.run(put(b"one"))
    assert refused.value.code is Code.STORE_UNAVAILABLE
