"""Which CRL is told of: the newest, read once for all who come for it."""

import asyncio
from pathlib import Path

from tests.ocsp.records import DEMO, recording
from tmsd.ocsp.answering import Answering
from tmsd.ocsp.published import Crl, CrlName, Published
from tmsd.store.crls import Scope
from tmsd.store.reader import Reader
from tmsd.store.sqlite import SqliteFile


class Counting(Published):
    """Reads what was signed last, and counts the CRLs that it read."""

    readings = 0

    async def crl(self, name: CrlName) -> Crl | None:
        self.readings += 1
        return await super().crl(name)


async def test_a_new_crl_is_read_once_for_all_who_come_for_it(tmp_path: Path) -> None:
    """One of a million entries has 40 MB, which each of them would hold."""
    name = CrlName(Scope(DEMO), is_delta=False)
    place = SqliteFile(tmp_path / "tmsd.db")
    async with recording(place) as records, Reader.open(place) as reader:
        published = Counting(reader)
        answering = Answering({DEMO: records.ca.certificate}, published)
        for number in (1, 2):
            await records.publish(DEMO)
            told = await asyncio.gather(*(answering.crl(name) for _ in range(20)))
            assert {crl.number for crl in told if crl} == {number}
            assert published.readings == number
