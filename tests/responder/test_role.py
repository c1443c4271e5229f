"""The responder over PostgreSQL, as the role that docs/ocsp.md makes for it and no other."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from cryptography.x509.ocsp import OCSPCertStatus
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from tests.ocsp.records import Records, recording
from tests.postgresql.cluster import Cluster
from tests.responder.process import over
from tests.responder.serving import Served, in_path, request_about
from tmsd.store.certificates import Reason
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.tables import METADATA

MANUAL = Path(__file__).parents[2] / "docs" / "ocsp.md"
ROLE = "tmsd-ocsp"
LEAVING = 'DROP OWNED BY "tmsd-ocsp"; DROP ROLE "tmsd-ocsp"'
READ = {"certificates", "ocsp_answers", "crls"}


@dataclass(frozen=True, slots=True)
class Restricted:
    """A database with records, and the way to it of the responder's role."""

    records: Records
    url: str

    def do(self, statement: str, table: str) -> None:
        """Do something with a table as that role."""
        with psycopg.connect(self.url) as connection:
            connection.execute(SQL(statement).format(Identifier(table)))


@pytest_asyncio.fixture
async def restricted(postgresql: Cluster) -> AsyncIterator[Restricted]:
    database = postgresql.make_database()
    async with recording(PostgresqlServer(postgresql.url(database))) as records:
        (statements,) = re.findall(r"```\n(CREATE ROLE .*?)```", MANUAL.read_text(), re.DOTALL)
        with postgresql.connect(database) as connection:
            connection.execute(statements)
            yield Restricted(records, postgresql.url(database, ROLE))
            connection.execute(LEAVING)


async def test_it_answers_as_a_role_that_can_read_its_tables_and_do_nothing_else(
    restricted: Restricted, tmp_path: Path
) -> None:
    records = restricted.records
    certificate = await records.issue_and_answer()
    await records.publish("demo")
    target = f"/ocsp/{in_path(request_about(records.ca, certificate))}"
    with over(records.ca, tmp_path, store=f'url = "{restricted.url}"') as process:
        served = Served(process.port, records)
        assert (await served.get(target)).ocsp.certificate_status is OCSPCertStatus.GOOD
        assert (await served.get("/crl/demo.crl")).status == 200
        await records.revoke(certificate, Reason.KEY_COMPROMISE)
        await records.answer(certificate)
        assert (await served.get(target)).ocsp.certificate_status is OCSPCertStatus.REVOKED

    for table in METADATA.tables:
        for statement in ("INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "DROP TABLE {}"):
            with pytest.raises(InsufficientPrivilege):
                restricted.do(statement, table)
        if table not in READ:
            with pytest.raises(InsufficientPrivilege):
                restricted.do("SELECT FROM {}", table)
    with pytest.raises(InsufficientPrivilege):
        restricted.do("CREATE TABLE {} ()", "another")
