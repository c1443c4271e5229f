"""CRLs and CA certificates over HTTP (RFC 2585)."""

import asyncio
import socket
import time
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ocsp.records import Records
from tests.responder.serving import HOST, Served, serving
from tests.site.daemon import PATIENCE
from tmsd import clock
from tmsd.store.sqlite import SqliteFile
from tmsd.x509.crl import Entry

CRL = "application/pkix-crl"


def entries(records: Records, count: int) -> list[Entry]:
    return [Entry(number, records.ca.now) for number in range(1, count + 1)]


@pytest.mark.parametrize("name", ["demo", "demo~7"])
async def test_the_newest_crl_is_served_under_its_name(name: str, served: Served) -> None:
    await served.records.publish(name)
    first = await served.get(f"/crl/{name}.crl")
    assert (first.status, first.headers["Content-Type"]) == (200, CRL)
    crl = await served.records.publish(name, *entries(served.records, 3))
    second = await served.get(f"/crl/{name}.crl", If_None_Match=first.headers["ETag"])
    assert second.body == crl.public_bytes(Encoding.DER)
    assert len(x509.load_der_x509_crl(second.body)) == 3


@pytest.mark.parametrize("name", ["demo", "demo~7"])
async def test_a_delta_is_served_beside_a_newer_full_crl(name: str, served: Served) -> None:
    """Who holds the older one still goes on by it."""
    await served.records.publish(name)
    delta = await served.records.publish(f"{name}~delta", *entries(served.records, 1))
    await served.records.publish(name, *entries(served.records, 1))
    got = await served.get(f"/crl/{name}~delta.crl")
    assert (got.status, got.headers["Content-Type"]) == (200, CRL)
    assert got.body == delta.public_bytes(Encoding.DER)


async def test_caches_are_told_how_long_a_crl_holds(served: Served) -> None:
    crls = {name: await served.records.publish(name) for name in ("demo", "demo~delta", "demo~7")}
    for name, crl in crls.items():
        got = await served.get(f"/crl/{name}.crl")
        assert crl.next_update_utc is not None
        assert parsedate_to_datetime(got.headers["Expires"]) == crl.next_update_utc
        assert parsedate_to_datetime(got.headers["Last-Modified"]) == crl.last_update_utc
        assert got.headers["Cache-Control"] == "max-age=300, public, no-transform, must-revalidate"
        again = await served.get(f"/crl/{name}.crl", If_None_Match=got.headers["ETag"])
        assert (again.status, again.body) == (304, b"")


async def test_the_head_of_a_crl_can_be_asked_for(served: Served) -> None:
    crl = await served.records.publish("demo", *entries(served.records, 5000))
    got = await served.ask("HEAD", "/crl/demo.crl")
    assert (got.status, got.body) == (200, b"")
    assert int(got.headers["Content-Length"]) == len(crl.public_bytes(Encoding.DER))


async def test_a_long_crl_is_served_whole_to_several_at_once(served: Served) -> None:
    crl = await served.records.publish("demo", *entries(served.records, 50_000))
    der = crl.public_bytes(Encoding.DER)
    assert len(der) > 1_000_000
    told = await asyncio.gather(*(served.get("/crl/demo.crl") for _ in range(4)))
    assert all(got.body == der for got in told)


async def test_a_crl_that_has_run_out_is_not_served(served: Served) -> None:
    crl = await served.records.publish("demo", lasting=timedelta(seconds=1))
    assert crl.next_update_utc is not None
    left = (crl.next_update_utc - clock.now()).total_seconds()
    await asyncio.sleep(max(0, left) + 0.01)
    got = await served.get("/crl/demo.crl")
    assert got.status == 503
    assert (got.headers["Retry-After"], got.headers["Cache-Control"]) == ("1", "no-store")


async def test_no_crl_is_served_while_the_store_cannot_be_read(
    served: Served, place: SqliteFile
) -> None:
    await served.records.publish("demo")
    assert (await served.get("/crl/demo.crl")).status == 200
    place.path.rename(place.path.with_name("elsewhere"))
    assert (await served.get("/crl/demo.crl")).status == 503


async def test_a_ca_certificate_is_served_under_its_name(served: Served) -> None:
    got = await served.get("/ca/demo.cer")
    assert (got.status, got.headers["Content-Type"]) == (200, "application/pkix-cert")
    assert x509.load_der_x509_certificate(got.body) == served.records.ca.certificate


@pytest.mark.parametrize(
    "target",
    [
        "/crl/other.crl",
        "/crl/demo",
        "/crl/DEMO.crl",
        "/crl/..%2fdemo.crl",
        "/crl/demo~delta.crl",
        "/crl/demo~0.crl",
        "/crl/demo~1.crl",
        "/crl/demo~.crl",
        "/ca/other.cer",
    ],
)
async def test_what_is_not_there_is_not_found(target: str, served: Served) -> None:
    await served.records.publish("demo")
    assert (await served.get(target)).status == 404


def read_with_a_pause(port: int, seconds: float) -> int:
    """Ask for the CRL, read nothing for a while, and return how much could be read in all."""
    read = 0
    with socket.create_connection((HOST, port), PATIENCE) as connection:
        connection.sendall(b"GET /crl/demo.crl HTTP/1.1\r\nHost: there\r\n\r\n")
        time.sleep(seconds)
        with suppress(ConnectionResetError):
            while part := connection.recv(1 << 20):
                read += len(part)
    return read


async def test_who_stops_reading_is_dropped(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    crl = await records.publish("demo", *entries(records, 500_000))
    async with serving(records, request_seconds=0.2) as served:
        read = await asyncio.to_thread(read_with_a_pause, served.port, 1.5)
    assert read < len(crl.public_bytes(Encoding.DER))
    assert not caplog.records


async def test_who_goes_away_is_no_fault(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    await records.publish("demo", *entries(records, 500_000))
    async with serving(records) as served:
        for _ in range(5):
            reader, writer = await asyncio.open_connection(HOST, served.port)
            writer.write(b"GET /crl/demo.crl HTTP/1.1\r\nHost: there\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            writer.transport.abort()
        assert (await served.get("/ca/demo.cer")).status == 200
    assert not caplog.records
