"""The process of `tmsd ocsp`: what it serves, what it opens, and how it ends."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus

from tests.ocsp.records import Records
from tests.responder.process import LOG, POLICY, over
from tests.responder.serving import Served, in_path, request_about
from tmsd.store.certificates import Reason
from tmsd.store.sqlite import SqliteFile

OF_OTHERS = ("hsm", "pkcs11", "tmsd.worker", "tmsd.vault", "tmsd.api", "tmsd.daemon", "tmsd.audit")


async def test_it_serves_until_it_is_told_to_end(records: Records, tmp_path: Path) -> None:
    certificate = await records.issue_and_answer()
    await records.publish("demo")
    target = f"/ocsp/{in_path(request_about(records.ca, certificate))}"
    with over(records.ca, tmp_path) as process:
        served = Served(process.port, records)
        assert (await served.get(target)).ocsp.certificate_status is OCSPCertStatus.GOOD
        assert (await served.get("/crl/demo.crl")).status == 200
        assert (await served.get("/ca/demo.cer")).status == 200

        await records.revoke(certificate, Reason.KEY_COMPROMISE)
        await records.answer(certificate)
        assert (await served.get(target)).ocsp.certificate_status is OCSPCertStatus.REVOKED

        assert await asyncio.to_thread(process.stop) == 0, process.log
    assert "Traceback" not in process.log
    assert process.log.endswith("stopped\n")


async def test_it_opens_the_database_to_read_and_no_other_file_of_the_site(
    records: Records, tmp_path: Path
) -> None:
    certificate = await records.issue_and_answer()
    with over(records.ca, tmp_path) as process:
        served = Served(process.port, records)
        got = await served.post(request_about(records.ca, certificate))
        assert got.ocsp.certificate_status is OCSPCertStatus.GOOD
        opened = process.opened_under(tmp_path)
    assert opened["tmsd.db"] == os.O_RDONLY
    # SQLite shares its locks by the last of these, which has nothing of the database in it.
    assert set(opened) <= {LOG, "tmsd.db", "tmsd.db-wal", "tmsd.db-shm"}


def test_it_loads_no_code_that_asks_an_hsm_or_writes_records() -> None:
    listing = "import sys, tmsd.responder.main; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    names = loaded.stdout.split()
    assert "tmsd.responder.server" in names
    packages = tuple(f"{name}." for name in OF_OTHERS)
    assert [name for name in names if name in OF_OTHERS or name.startswith(packages)] == []
    assert "tmsd.store.store" not in names


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("version = 1", "cas: must name the CAs to answer for"),
        (POLICY.replace("demo.pem", "absent.pem"), "absent.pem: cannot be read"),
    ],
)
async def test_it_does_not_start_without_the_certificates_of_cas(
    policy: str, words: str, records: Records, tmp_path: Path
) -> None:
    with over(records.ca, tmp_path, policy=policy) as process:
        assert await asyncio.to_thread(process.wait) == 1
    assert words in process.log
    assert "Traceback" not in process.log


async def test_it_reads_its_policy_anew_and_keeps_the_old_where_the_new_is_bad(
    records: Records, tmp_path: Path
) -> None:
    target = f"/ocsp/{in_path(request_about(records.ca, await records.issue_and_answer()))}"
    policy = tmp_path / "policy.toml"
    with over(records.ca, tmp_path) as process:
        served = Served(process.port, records)

        policy.write_text(POLICY + "certificate = 1\n")
        process.reload()
        await asyncio.to_thread(process.wait_until_told, "the new configuration is not taken")
        assert (await served.get(target)).ocsp.certificate_status is OCSPCertStatus.GOOD

        policy.write_text(POLICY.replace("cas.demo", "cas.another"))
        process.reload()
        await asyncio.to_thread(process.wait_until_told, "the CAs of the policy are taken")
        # The CA has issued no such certificate under its new name.
        assert (await served.get(target)).ocsp.response_status is OCSPResponseStatus.UNAUTHORIZED
        assert (await served.get("/ca/another.cer")).status == 200
        assert (await served.get("/ca/demo.cer")).status == 404


async def test_it_does_not_start_over_a_database_of_another_release(
    records: Records, tmp_path: Path, place: SqliteFile
) -> None:
    with closing(sqlite3.connect(place.path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    with over(records.ca, tmp_path) as process:
        assert await asyncio.to_thread(process.wait) == 1
    assert "start the daemon of this release first" in process.log
