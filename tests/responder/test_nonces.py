"""The mode with nonces (RFC 9654): openssl, a worker with a token of its own, and no worker."""

import asyncio
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponse, OCSPResponseStatus

from tests.ocsp.records import Records
from tests.responder.nonces import POLICY, NonceSite, NonceToken, make_nonce_token
from tests.responder.process import over
from tests.responder.serving import Got, Served, in_path, openssl_ocsp, request_about, serving
from tests.site.daemon import PATIENCE
from tests.softhsm.tokens import SoftHsm
from tmsd.quorum import canonical
from tmsd.quorum.inventory import Inventory
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.store.certificates import Reason
from tmsd.vault.card_messages import MakeRandom
from tmsd.vault.framing import FrameReader, encode
from tmsd.vault.messages import Question
from tmsd.vault.nonce_messages import NonceReply
from tmsd.vault.worker_messages import Condition, Started
from tmsd.worker.for_nonces import begin_for_nonces

NO_NONCE = "WARNING: no nonce in response"


@pytest.fixture(scope="module")
def token(softhsm: SoftHsm) -> NonceToken:
    return make_nonce_token(softhsm)


@pytest.fixture
def site(records: Records, tmp_path: Path, token: NonceToken) -> Iterator[NonceSite]:
    made = NonceSite(records, tmp_path, token)
    yield made
    made.close()


@pytest_asyncio.fixture
async def echoing(site: NonceSite) -> AsyncIterator[Served]:
    """A responder whose worker is there."""
    with site.worker():
        async with site.nonces() as nonces, serving(site.records, nonces=nonces) as served:
            await until_echoed(served, await site.records.issue_and_answer())
            yield served


async def asked(served: Served, certificate: x509.Certificate, nonce: bytes | None) -> Got:
    return await served.post(request_about(served.records.ca, certificate, nonce=nonce))


def nonce_in(answer: OCSPResponse) -> bytes | None:
    for extension in answer.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            return extension.value.nonce
    return None


async def echoes(served: Served, certificate: x509.Certificate) -> bool:
    """Say whether a nonce comes back."""
    nonce = secrets.token_bytes(32)
    told = nonce_in((await asked(served, certificate, nonce)).ocsp)
    assert told in (None, nonce)
    return told is not None


async def until_echoed(served: Served, certificate: x509.Certificate) -> None:
    end = time.monotonic() + PATIENCE
    while not await echoes(served, certificate):
        assert time.monotonic() < end, "no nonce comes back"
        await asyncio.sleep(0.05)


async def test_openssl_has_its_nonce_back_whatever_became_of_a_certificate(
    echoing: Served, tmp_path: Path
) -> None:
    certificate = await echoing.records.issue_and_answer()

    async def told(*options: str) -> str:
        return await openssl_ocsp(echoing, certificate, tmp_path, *options)

    for options in ((), ("-sha256",)):
        good = await told(*options)
        assert "Response verify OK" in good
        assert "certificate.pem: good" in good
        # It compares the nonce itself, and says so where another comes back.
        assert NO_NONCE not in good
        assert "Nonce Verify error" not in good
    assert NO_NONCE not in await told("-no_nonce")

    await echoing.records.hold(certificate)
    assert "Responder Error: trylater (3)" in await told()
    await echoing.records.answer(certificate)
    held = await told()
    assert "certificate.pem: revoked" in held
    assert "Reason: certificateHold" in held
    assert NO_NONCE not in held

    await echoing.records.revoke(certificate, Reason.KEY_COMPROMISE)
    await echoing.records.answer(certificate)
    revoked = await told()
    assert "Response verify OK" in revoked
    assert "Reason: keyCompromise" in revoked
    assert NO_NONCE not in revoked

    certificate = echoing.records.ca.issue()
    assert "Responder Error: unauthorized (6)" in await told()


async def test_each_answer_has_the_nonce_of_who_asked_and_says_what_was_signed_before(
    echoing: Served, site: NonceSite
) -> None:
    certificate = await echoing.records.issue_and_answer()
    before = await asked(echoing, certificate, None)
    assert nonce_in(before.ocsp) is None
    assert before.headers["Cache-Control"] != "no-store"

    nonces = [secrets.token_bytes(length) for length in (1, 16, 32, 32, 128)]
    told = await asyncio.gather(*(asked(echoing, certificate, nonce) for nonce in nonces))
    assert [nonce_in(each.ocsp) for each in told] == nonces
    for each in told:
        answer = each.ocsp
        assert answer.certificate_status is OCSPCertStatus.GOOD
        for said in ("serial_number", "this_update_utc", "next_update_utc", "issuer_key_hash"):
            assert getattr(answer, said) == getattr(before.ocsp, said)
        # It is another key's than that of answers without: one that is in a token of its own.
        assert answer.certificates == [site.repeater]
        key = site.repeater.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert answer.signature_hash_algorithm is not None
        scheme = ec.ECDSA(answer.signature_hash_algorithm)
        key.verify(answer.signature, answer.tbs_response_bytes, scheme)
        # Nobody else can be told this.
        assert each.headers["Cache-Control"] == "no-store"
        assert "ETag" not in each.headers

    again = await asked(echoing, certificate, None)
    assert again.body == before.body
    by_path = in_path(request_about(echoing.records.ca, certificate, nonce=nonces[1]))
    assert nonce_in((await echoing.get(f"/ocsp/{by_path}")).ocsp) == nonces[1]


@pytest.mark.parametrize("length", [0, 129, 1000])
async def test_a_nonce_that_is_none_is_malformed(
    length: int, site: NonceSite, records: Records
) -> None:
    certificate = await records.issue_and_answer()
    async with site.nonces() as nonces, serving(records, nonces=nonces) as served:
        for about in (certificate, records.ca.issue()):
            got = await asked(served, about, bytes(length))
            assert got.ocsp.response_status is OCSPResponseStatus.MALFORMED_REQUEST


async def test_while_the_worker_is_gone_answers_are_those_without_nonces(
    site: NonceSite, records: Records
) -> None:
    certificate = await records.issue_and_answer()
    async with site.nonces() as nonces, serving(records, nonces=nonces) as served:
        without = await asked(served, certificate, None)
        before = await asked(served, certificate, b"n" * 32)
        assert before.body == without.body
        # Who insists on a nonce can ask again, and a cache must not stand between.
        assert before.headers["Cache-Control"] == "no-store"
        with site.worker() as worker:
            await until_echoed(served, certificate)
            worker.kill()
            worker.wait()
            assert not await echoes(served, certificate)
        with site.worker():
            await until_echoed(served, certificate)


async def test_who_would_be_one_more_than_may_wait_does_not(
    records: Records, tmp_path: Path, token: NonceToken
) -> None:
    site = NonceSite(records, tmp_path, token, "waiting = 1\ndeadline_seconds = 60")
    certificate = await records.issue_and_answer()
    with site.worker() as worker:
        async with site.nonces() as nonces, serving(records, nonces=nonces) as served:
            await until_echoed(served, certificate)
            worker.send_signal(signal.SIGSTOP)
            first, second, last = asyncio.as_completed(
                [echoes(served, certificate) for _ in range(3)]
            )
            assert not await first
            assert not await second
            worker.send_signal(signal.SIGCONT)
            assert await last
    site.close()


async def test_no_more_are_signed_than_the_configuration_allows(
    records: Records, tmp_path: Path, token: NonceToken
) -> None:
    site = NonceSite(records, tmp_path, token, "per_second = 5")
    certificate = await records.issue_and_answer()
    with site.worker():
        async with site.nonces() as nonces, serving(records, nonces=nonces) as served:
            await until_echoed(served, certificate)
            begun = time.monotonic()
            told = await asyncio.gather(*(asked(served, certificate, b"n" * 32) for _ in range(60)))
            signed = sum(nonce_in(each.ocsp) is not None for each in told)
            assert signed <= 5 * (time.monotonic() - begun + 1)
    site.close()


async def test_the_process_reaches_its_worker_and_another_for_another_policy(
    site: NonceSite, records: Records
) -> None:
    certificate = await records.issue_and_answer()
    with over(records.ca, site.directory, policy=POLICY, more=site.tables) as process:
        served = Served(process.port, records)
        assert not await echoes(served, certificate)
        with site.worker() as worker:
            await until_echoed(served, certificate)
            (site.directory / "policy.toml").write_text(f"{POLICY}# anew\n")
            process.reload()
            assert await asyncio.to_thread(worker.wait, PATIENCE) == 0
        with site.worker():
            await until_echoed(served, certificate)
        assert await asyncio.to_thread(process.stop) == 0
    assert "Traceback" not in process.log


async def test_a_worker_answers_nothing_else(site: NonceSite) -> None:
    with site.worker() as worker, socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(PATIENCE)
        connected.connect(str(site.socket))
        reader = FrameReader(NonceReply)
        announced = reader.feed(connected.recv(65536))
        assert [type(reply.answer) for reply in announced] == [Started]
        asked = Question(1, time.monotonic() + PATIENCE, MakeRandom("tps", 16))
        connected.sendall(encode(asked))
        told = [
            reply
            for data in iter(lambda: connected.recv(65536), b"")
            for reply in reader.feed(data)
        ]
        assert all(isinstance(reply.answer, Condition) for reply in told)
        assert worker.wait(PATIENCE) == 1


def test_a_worker_serves_with_no_key_that_its_inventory_does_not_have(site: NonceSite) -> None:
    table, named = "[ocsp.nonces.hsm]\n", 'inventory = "inventory.json"\n'
    site.configuration.write_text(site.configuration.read_text().replace(table, table + named))
    empty = Inventory(token="nonces", serial="0", keys=())
    (site.directory / "inventory.json").write_bytes(canonical.encode(empty))

    drift = "inventory-drift: private key 'demo-nonces' version 1: not in the inventory"
    with pytest.raises(ApprovalRefused, match=drift):
        begin_for_nonces(site.configuration)
