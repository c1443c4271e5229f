"""A quickstart site at work: its daemon, its responder, and who has certificates issued."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.cli.ca.commands import CA
from tests.demo.site import Daemon, Site, free_port
from tests.responder.process import Process
from tests.site.certificates import CERTIFICATES, REVOKE, at, csr, headers, wanted
from tests.site.channels import JsonObject
from tests.site.daemon import PATIENCE, wait_until
from tests.site.directory import HOST

ROOT = "demo-root"

_RA = "ra-demo"


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a certificate, and the files of it.

    Attributes:
        chain: the certificate and that of the CA that issued it, in PEM.
        key: its private key, in PEM.
    """

    serial_number: str
    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class AtWork:
    """A site that serves callers and relying parties."""

    site: Site
    responder_port: int

    @property
    def root(self) -> Path:
        """The certificate that relying parties trust, in PEM."""
        return self.site.directory / "cas" / f"{ROOT}.pem"

    def issue(self, folder: Path, name: str, profile: str, **fields: str) -> Holder:
        """Have a certificate issued over the API, for a new key; its files are of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        body = {**wanted(profile, csr(name, key)), "fields": fields}
        told = self._post(at(CERTIFICATES), body)
        holder = Holder(told["serial_number"], folder / f"{name}.pem", folder / f"{name}.key")
        holder.chain.write_text(told["certificate"] + told["chain"][0])
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        holder.key.write_bytes(pem)
        return holder

    def revoke(self, holder: Holder) -> None:
        """Revoke a certificate over the API."""
        self._post(at(REVOKE, holder.serial_number), {"reason": "keyCompromise"})

    def crl(self, name: str) -> bytes:
        """Return the CRL of a CA as anybody gets it from the responder, in PEM; none is empty."""
        connection = HTTPConnection(HOST, self.responder_port, timeout=PATIENCE)
        connection.request("GET", f"/crl/{name}.crl")
        with connection.getresponse() as response:
            der = response.read()
        if response.status == 404:
            return b""
        assert response.status == 200
        return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)

    def _post(self, path: str, body: JsonObject) -> JsonObject:
        context = ssl.create_default_context(cafile=self.site.tls("ca.pem"))
        context.load_cert_chain(self.site.tls(f"{_RA}.pem"), self.site.tls(f"{_RA}.key"))
        connection = HTTPSConnection(HOST, self.site.port, context=context, timeout=PATIENCE)
        connection.request("POST", path, json.dumps(body), headers())
        with connection.getresponse() as response:
            told: JsonObject = json.load(response)
            assert response.status == 200, told
            return told


@contextmanager
def at_work(directory: Path) -> Iterator[AtWork]:
    """Start daemon and responder on a site; yield once there are CRLs, and end them in the end."""
    ports = {port: str(free_port()) for port in ("8443", "8480")}
    for name in ("tmsd.toml", "policy.toml"):
        file = directory / name
        text = file.read_text()
        for usual, free in ports.items():
            text = text.replace(f"{HOST}:{usual}", f"{HOST}:{free}")
        file.write_text(text)
    site = Site(directory, int(ports["8443"]))
    daemon = Daemon(site)
    try:
        assert asyncio.run(daemon.is_ready()), daemon.log
        with Process(site.configuration, int(ports["8480"])) as responder:
            serving = AtWork(site, responder.port)
            wait_until(lambda: all(map(serving.crl, (ROOT, CA))))
            yield serving
    finally:
        daemon.end()
