"""A responder for a CA named `demo`, and the database that it reads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.ocsp.records import Records, recording
from tests.responder.serving import Served, serving


@pytest_asyncio.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    async with recording(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def served(records: Records) -> AsyncIterator[Served]:
    async with serving(records) as at_work:
        yield at_work
