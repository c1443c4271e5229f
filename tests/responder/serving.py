"""A responder at work in this process, and anybody who asks it over HTTP."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.ocsp.records import DEMO, Records
from tests.site.daemon import PATIENCE
from tests.x509.authority import Authority, pem
from tmsd.config.ocsp import OcspConfig
from tmsd.ocsp.answering import Answering, NonceSigner
from tmsd.ocsp.published import Published
from tmsd.responder.listening import listening
from tmsd.responder.server import Edge, application
from tmsd.store.reader import Reader
from tmsd.x509.ocsp import CertIdDigest

HOST = "127.0.0.1"
ASKED, ANSWERED = "application/ocsp-request", "application/ocsp-response"


@dataclass(frozen=True, slots=True)
class Got:
    """What was answered over HTTP."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def ocsp(self) -> ocsp.OCSPResponse:
        """The body, which is an OCSP answer."""
        assert (self.status, self.headers["Content-Type"]) == (200, ANSWERED)
        return ocsp.load_der_ocsp_response(self.body)


def request_about(
    ca: Authority,
    certificate: x509.Certificate,
    digest: CertIdDigest = CertIdDigest.SHA_256,
    nonce: bytes | None = None,
) -> bytes:
    """Return an OCSP request (DER)."""
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, ca.certificate, digest.algorithm)
    if nonce is not None:
        asked = asked.add_extension(x509.OCSPNonce(nonce), critical=False)
    return asked.build().public_bytes(Encoding.DER)


def in_path(der: bytes) -> str:
    """Return a request as it stands in a path, where nothing is percent-encoded."""
    return base64.b64encode(der).decode()


@dataclass(frozen=True, slots=True)
class Served:
    """A responder, and the database that it reads."""

    port: int
    records: Records

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """Ask by a connection of its own; the target is sent as it stands."""
        return await asyncio.to_thread(self._ask, method, target, body, headers or {})

    async def get(self, target: str, **headers: str) -> Got:
        """Ask by GET; an underscore of a header's name is a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("GET", target, headers=named)

    async def post(self, der: bytes, target: str = "/ocsp", kind: str = ASKED) -> Got:
        """Ask by POST."""
        return await self.ask("POST", target, der, {"Content-Type": kind})

    def _ask(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Got:
        connection = HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request(method, target, body, dict(headers))
            response = connection.getresponse()
            return Got(response.status, response.headers, response.read())
        finally:
            connection.close()


async def openssl_ocsp(
    served: Served, certificate: x509.Certificate, directory: Path, *options: str
) -> str:
    """Return what `openssl ocsp` says of a certificate; it sends a nonce unless told otherwise."""
    ca = pem(served.records.ca.certificate, directory / "ca.pem")
    file = pem(certificate, directory / "certificate.pem")
    process = await asyncio.create_subprocess_exec(
        *("openssl", "ocsp", *options),
        *("-issuer", str(ca), "-CAfile", str(ca), "-cert", str(file)),
        *("-url", f"http://{HOST}:{served.port}/ocsp"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await process.communicate())[0].decode()


@asynccontextmanager
async def serving(
    records: Records,
    *,
    max_age_seconds: int = 300,
    connections: int = 1000,
    request_seconds: float = PATIENCE,
    nonces: NonceSigner | None = None,
) -> AsyncIterator[Served]:
    """Serve what is on record until left."""
    config = OcspConfig(
        max_age_seconds=max_age_seconds,
        connections=connections,
        request_seconds=request_seconds,
    )
    cas = {DEMO: records.ca.certificate}
    async with Reader.open(records.place) as reader:
        answering = Answering(cas, Published(reader), nonces)
        edge = Edge(answering, cas, max_age_seconds, request_seconds)
        with socket.create_server((HOST, 0)) as listener:
            port = listener.getsockname()[1]
            async with listening(application(edge), config, [listener]):
                yield Served(port, records)
