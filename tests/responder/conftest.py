"""A responder for a CA named `demo`, and the database file that it reads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.ocsp.records import DATABASE, Records, recording
from tests.responder.serving import Served, serving
from tmsd.store.sqlite import SqliteFile


@pytest.fixture
def place(tmp_path: Path) -> SqliteFile:
    return SqliteFile(tmp_path / DATABASE)


@pytest_asyncio.fixture
async def records(place: SqliteFile) -> AsyncIterator[Records]:
    async with recording(place) as opened:
        yield opened


@pytest_asyncio.fixture
async def served(records: Records) -> AsyncIterator[Served]:
    async with serving(records) as at_work:
        yield at_work
