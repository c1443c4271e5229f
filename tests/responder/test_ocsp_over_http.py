"""OCSP over HTTP: RFC 6960, appendix A, and RFC 5019."""

import base64
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus

from tests.ocsp.records import HOUR, Records
from tests.responder.serving import Served, in_path, openssl_ocsp, request_about, serving
from tests.x509.authority import Authority
from tmsd.store.certificates import Reason
from tmsd.store.sqlite import SqliteFile
from tmsd.x509.ocsp import MAX_REQUEST, CertIdDigest


@pytest_asyncio.fixture
async def certificate(records: Records) -> x509.Certificate:
    """A certificate that is good."""
    return await records.issue_and_answer()


@pytest.mark.parametrize("options", [(), ("-sha256",)], ids=["SHA-1", "SHA-256"])
async def test_openssl_is_told_of_a_certificate(
    options: tuple[str, ...], served: Served, certificate: x509.Certificate, tmp_path: Path
) -> None:
    told = await openssl_ocsp(served, certificate, tmp_path, *options)
    assert "Response verify OK" in told
    assert "certificate.pem: good" in told
    # OpenSSL sends a nonce unless told otherwise.
    assert "WARNING: no nonce in response" in told

    await served.records.revoke(certificate, Reason.KEY_COMPROMISE)
    await served.records.answer(certificate)
    told = await openssl_ocsp(served, certificate, tmp_path, *options)
    assert "Response verify OK" in told
    assert "certificate.pem: revoked" in told
    assert "Reason: keyCompromise" in told


async def test_openssl_is_told_nothing_of_a_certificate_that_was_never_issued(
    served: Served, tmp_path: Path
) -> None:
    told = await openssl_ocsp(served, served.records.ca.issue(), tmp_path)
    assert "Responder Error: unauthorized (6)" in told


@pytest.mark.parametrize("digest", CertIdDigest)
async def test_a_request_may_come_in_the_body_or_in_the_path(
    digest: CertIdDigest, served: Served, certificate: x509.Certificate
) -> None:
    der = request_about(served.records.ca, certificate, digest)
    told = [
        await served.post(der),
        await served.post(der, "/ocsp/"),
        await served.get(f"/ocsp/{in_path(der)}"),
    ]
    assert len({got.body for got in told}) == 1
    assert told[0].ocsp.certificate_status is OCSPCertStatus.GOOD
    assert told[0].ocsp.serial_number == certificate.serial_number
    assert told[0].ocsp.hash_algorithm.name == digest.value


async def awkward(records: Records) -> bytes:
    """Return a request whose base64 has each character that paths do not like, and padding."""
    for _ in range(1000):
        issued = await records.issue()
        for digest in CertIdDigest:
            der = request_about(records.ca, issued, digest)
            if {"/", "+", "="} <= set(in_path(der)):
                await records.answer(issued)
                return der
    pytest.fail("neither hash makes a request with padding")


@pytest.mark.parametrize(
    "spelled",
    [
        lambda text: text,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="/"),
        lambda text: quote(text, safe="+"),
        lambda text: quote(text, safe="="),
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "%20"),
        lambda text: "/" + text,
        lambda text: "".join(f"%{ord(character):02x}" for character in text),
    ],
    ids=[
        "as it is",
        "all percent-encoded",
        "slashes as they are",
        "plus signs as they are",
        "padding as it is",
        "without padding",
        "plus signs made spaces",
        "behind a slash more",
        "each character percent-encoded",
    ],
)
async def test_base64_in_a_path_is_read_however_it_is_spelled(
    spelled: object, served: Served
) -> None:
    der = await awkward(served.records)
    assert callable(spelled)
    got = await served.get(f"/ocsp/{spelled(in_path(der))}")
    assert got.ocsp.certificate_status is OCSPCertStatus.GOOD


async def test_two_slashes_in_a_row_are_two_characters_of_base64(served: Served) -> None:
    der = b"0" + b"\xff" * 5
    assert "//" in base64.b64encode(der).decode()
    got = await served.get(f"/ocsp/{in_path(der)}")
    assert got.ocsp.response_status is OCSPResponseStatus.MALFORMED_REQUEST


@pytest.mark.parametrize("path", ["!", "%", "%zz", "MA", "MA==MA==", "a b", "%00", "MEI.."])
async def test_what_is_no_request_is_malformed(path: str, served: Served) -> None:
    got = await served.get(f"/ocsp/{quote(path, safe='%=')}")
    assert got.ocsp.response_status is OCSPResponseStatus.MALFORMED_REQUEST
    got = await served.post(path.encode())
    assert got.ocsp.response_status is OCSPResponseStatus.MALFORMED_REQUEST


async def test_another_ca_is_unauthorized(served: Served) -> None:
    other = Authority(name="Other")
    got = await served.post(request_about(other, other.issue()))
    assert got.ocsp.response_status is OCSPResponseStatus.UNAUTHORIZED


async def test_an_answer_that_has_run_out_is_not_repeated(served: Served) -> None:
    long_ago = served.records.ca.now - 2 * HOUR
    certificate = await served.records.issue_and_answer(since=long_ago)
    got = await served.post(request_about(served.records.ca, certificate))
    assert got.ocsp.response_status is OCSPResponseStatus.TRY_LATER


async def test_while_the_store_cannot_be_read_everybody_shall_try_later(
    served: Served, certificate: x509.Certificate, place: SqliteFile
) -> None:
    der = request_about(served.records.ca, certificate)
    elsewhere = place.path.rename(place.path.with_name("elsewhere"))
    assert (await served.post(der)).ocsp.response_status is OCSPResponseStatus.TRY_LATER
    elsewhere.rename(place.path)
    assert (await served.post(der)).ocsp.response_status is OCSPResponseStatus.SUCCESSFUL


async def test_about_a_certificate_that_has_no_answer_yet_everybody_shall_try_later(
    served: Served,
) -> None:
    issued = await served.records.issue()
    got = await served.post(request_about(served.records.ca, issued))
    assert got.ocsp.response_status is OCSPResponseStatus.TRY_LATER


async def test_a_certificate_that_was_revoked_is_never_told_to_be_good(
    served: Served, certificate: x509.Certificate
) -> None:
    target = f"/ocsp/{in_path(request_about(served.records.ca, certificate))}"
    good = await served.get(target)
    assert good.ocsp.certificate_status is OCSPCertStatus.GOOD

    await served.records.revoke(certificate, Reason.SUPERSEDED)
    unsigned = await served.get(target, If_None_Match=good.headers["ETag"])
    assert unsigned.ocsp.response_status is OCSPResponseStatus.TRY_LATER

    await served.records.answer(certificate)
    revoked = await served.get(target, If_None_Match=good.headers["ETag"])
    assert revoked.ocsp.certificate_status is OCSPCertStatus.REVOKED
    assert revoked.headers["ETag"] != good.headers["ETag"]


async def test_caches_are_told_how_long_an_answer_holds(
    served: Served, certificate: x509.Certificate
) -> None:
    got = await served.get(f"/ocsp/{in_path(request_about(served.records.ca, certificate))}")
    assert parsedate_to_datetime(got.headers["Last-Modified"]) == got.ocsp.this_update_utc
    assert parsedate_to_datetime(got.headers["Expires"]) == got.ocsp.next_update_utc
    assert got.headers["Cache-Control"] == "max-age=300, public, no-transform, must-revalidate"
    assert got.headers["ETag"].startswith('"')
    assert "Date" in got.headers


async def test_caches_are_not_told_to_keep_an_answer_longer_than_it_holds(
    records: Records,
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    certificate = await records.issue_and_answer(since=now, lasting=timedelta(seconds=200))
    async with serving(records, max_age_seconds=1000) as served:
        got = await served.get(f"/ocsp/{in_path(request_about(records.ca, certificate))}")
    assert 0 < int(got.headers["Cache-Control"].split(",")[0].removeprefix("max-age=")) <= 200


async def test_who_has_an_answer_already_is_told_so_and_no_more(
    served: Served, certificate: x509.Certificate
) -> None:
    der = request_about(served.records.ca, certificate)
    target = f"/ocsp/{in_path(der)}"
    first = await served.get(target)
    for tags in (first.headers["ETag"], f'"another", {first.headers["ETag"]}', "*"):
        again = await served.get(target, If_None_Match=tags)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert (await served.get(target, If_None_Match='"another"')).status == 200
    assert (await served.post(der)).status == 200


async def test_caches_keep_no_refusal(served: Served) -> None:
    got = await served.get("/ocsp/MAAA")
    assert got.headers["Cache-Control"] == "no-store"
    assert "ETag" not in got.headers


async def test_a_body_of_another_kind_is_refused(served: Served) -> None:
    got = await served.post(b"{}", kind="application/json")
    assert (got.status, got.body) == (415, b"send Content-Type: application/ocsp-request")


async def test_a_body_has_4_kib_at_most(served: Served) -> None:
    assert (await served.post(bytes(MAX_REQUEST))).status == 200
    assert (await served.post(bytes(MAX_REQUEST + 1))).status == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "BREW"])
async def test_there_is_no_other_way_to_ask(method: str, served: Served) -> None:
    assert (await served.ask(method, "/ocsp")).status in (400, 405)


@pytest.mark.parametrize("target", ["/", "/state", "/v1/tks/random", "/ocsp", "/crl/../etc/passwd"])
async def test_nothing_else_is_served(target: str, served: Served) -> None:
    assert (await served.get(target)).status in (404, 405)
