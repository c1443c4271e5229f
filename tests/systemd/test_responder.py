"""systemd starts the responder by its unit, beside the front, and keeps it from all else.

As root alone; elsewhere these tests are skipped and say so.
"""

from http.client import HTTPConnection, HTTPResponse

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    OCSPNonce,
    load_der_x509_certificate,
    load_pem_x509_certificate,
    ocsp,
)
from cryptography.x509.ocsp import OCSPRequestBuilder, OCSPResponseStatus

from tests.site.caller import ANSWER_SECONDS
from tests.site.certificates import issue, wanted
from tests.site.daemon import wait_until
from tests.site.directory import HOST
from tests.site.identities import RA
from tests.systemd.conftest import Installed
from tests.systemd.installation import (
    NONCES_PIN_FILE,
    NONCES_WORKER,
    PIN_FILE,
    RESPONDER,
    RESPONDER_PORT,
)
from tmsd.x509.ocsp import CertIdDigest

pytestmark = pytest.mark.xdist_group("boot")

STORE = "/var/lib/tmsd-store"


@pytest.fixture
def responding(running: Installed) -> Installed:
    """The system, with tmsd and the responder at work in it."""
    sockets = ("tmsd-ocsp.socket", "tmsd-ocsp-worker.socket")
    running.container.run("systemctl", "enable", "--now", *sockets, RESPONDER)
    return running


def asked(
    system: Installed, method: str, path: str, body: bytes | None = None
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(HOST, RESPONDER_PORT, timeout=ANSWER_SECONDS)
    connection.sock = system.container.connect(RESPONDER_PORT)
    connection.request(method, path, body, {"Content-Type": "application/ocsp-request"})
    response = connection.getresponse()
    return response, response.read()


def test_it_answers_from_the_database_of_the_front(responding: Installed) -> None:
    authority = load_pem_x509_certificate((responding.site.directory / "demo.pem").read_bytes())
    _, body = asked(responding, "GET", "/ca/demo.cer")
    assert load_der_x509_certificate(body) == authority

    about = OCSPRequestBuilder().add_certificate(
        authority, authority, CertIdDigest.SHA_256.algorithm
    )
    _, body = asked(responding, "POST", "/ocsp", about.build().public_bytes(Encoding.DER))
    # It has looked, and found no such certificate on record.
    told = ocsp.load_der_ocsp_response(body).response_status
    assert told is OCSPResponseStatus.UNAUTHORIZED

    assert responding.shown(RESPONDER, "ActiveState") == "active"
    words = f"serving relying parties at http://{HOST}:{RESPONDER_PORT}"
    assert responding.shown(RESPONDER, "StatusText") == words


@pytest.mark.parametrize(
    "attempt",
    [
        f"open('{STORE}/tmsd.db', 'r+b')",
        f"open('{STORE}/tmsd.db-wal', 'r+b')",
        f"open('{STORE}/another', 'wb')",
        "__import__('os').listdir('/var/lib/tmsd')",
        "__import__('os').listdir('/run/tmsd-worker')",
        "__import__('socket').socket(__import__('socket').AF_UNIX).connect('/run/tmsd-worker/1.sock')",
    ],
    ids=["database", "log of the database", "a file more", "audit log", "sockets", "a worker"],
)
def test_it_can_neither_write_nor_reach_a_worker(attempt: str, responding: Installed) -> None:
    within = ["nsenter", "-t", responding.shown(RESPONDER, "MainPID"), "--mount", "setpriv"]
    within += ["--reuid=tmsd-ocsp", "--regid=tmsd-ocsp", "--clear-groups", "/opt/tmsd/bin/python"]
    read = responding.container.attempt(*within, "-c", f"open('{STORE}/tmsd.db', 'rb')")
    assert read.returncode == 0, read.stderr
    tried = responding.container.attempt(*within, "-c", attempt)
    assert "PermissionError" in tried.stderr or "Read-only file system" in tried.stderr


def test_it_has_no_network_but_its_socket(responding: Installed) -> None:
    pid = responding.shown(RESPONDER, "MainPID")
    routes = responding.container.run("nsenter", "-t", pid, "--net", "cat", "/proc/net/route")
    assert len(routes.splitlines()) == 1


def test_a_nonce_is_signed_by_a_worker_whose_pin_the_responder_cannot_read(
    responding: Installed,
) -> None:
    with responding.caller(RA) as caller:
        issued = issue(caller, wanted())
    certificate = load_pem_x509_certificate(issued.document["certificate"].encode())
    authority = load_pem_x509_certificate((responding.site.directory / "demo.pem").read_bytes())
    about = OCSPRequestBuilder().add_certificate(certificate, authority, SHA256())
    nonce = OCSPNonce(b"n" * 32)
    der = about.add_extension(nonce, critical=False).build().public_bytes(Encoding.DER)

    def is_echoed() -> bool:
        told = ocsp.load_der_ocsp_response(asked(responding, "POST", "/ocsp", der)[1])
        if told.response_status is not OCSPResponseStatus.SUCCESSFUL:
            return False  # the answer is not signed yet
        return [extension.value for extension in told.extensions] == [nonce]

    wait_until(is_echoed)
    worker = responding.shown(NONCES_WORKER, "MainPID")
    credential = f"/run/credentials/{NONCES_WORKER}/ocsp-hsm-pin"
    container = responding.container
    assert container.run("cat", credential) == container.run("cat", NONCES_PIN_FILE) != ""
    tokens = "/var/lib/tmsd-ocsp-worker/tokens"
    for user, file in (
        *(("tmsd-ocsp", each) for each in (credential, NONCES_PIN_FILE, tokens)),
        ("tmsd-ocsp", f"/proc/{worker}/mem"),
        ("tmsd-ocsp-worker", PIN_FILE),
        ("tmsd-ocsp-worker", "/var/lib/tmsd-worker/tokens"),
    ):
        read = container.attempt("find", file, "-type", "f", "-exec", "cat", "{}", "+", user=user)
        assert "Permission denied" in read.stderr, f"{user}: {file}"


def test_one_that_is_killed_is_replaced_and_nobody_is_refused(responding: Installed) -> None:
    before = responding.shown(RESPONDER, "MainPID")
    responding.container.run("systemctl", "kill", "--signal=KILL", RESPONDER)
    response, _ = asked(responding, "GET", "/ca/demo.cer")
    assert response.status == 200
    wait_until(lambda: responding.shown(RESPONDER, "ActiveState") == "active")
    assert responding.shown(RESPONDER, "MainPID") not in {before, "0"}
