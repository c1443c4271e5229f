"""Who has a certificate is let in by TLS servers of others, until it is revoked.

nginx reads CRLs from a file, or asks the responder itself; Python's ssl module is OpenSSL's.
"""

import ssl
from collections.abc import Iterator
from functools import partial
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.cli.ca.at_work import ROOT, AtWork, Holder, at_work
from tests.cli.ca.commands import CA, told
from tests.cli.sites import copy_site
from tests.demo.site import free_port
from tests.responder.nginx import Nginx
from tests.site.daemon import PATIENCE, wait_until
from tests.site.directory import HOST

pytestmark = pytest.mark.xdist_group("handshakes")

REFUSED = "client SSL certificate verify error"

_SERVER = """\
    server {{
        listen {host}:{port} ssl;
        ssl_certificate {server.chain};
        ssl_certificate_key {server.key};
        ssl_client_certificate {root};
        ssl_verify_client on;
        {revocation};
        return 200 $ssl_client_s_dn;
    }}
"""


@pytest.fixture(scope="module")
def pki(quickstart_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtWork]:
    with at_work(copy_site(quickstart_site, tmp_path_factory.mktemp("s") / "site")) as serving:
        yield serving


@pytest.fixture
def server(pki: AtWork, tmp_path: Path) -> Holder:
    return pki.issue(tmp_path, "localhost", "tls-server", dns="localhost")


@pytest.fixture
def alice(pki: AtWork, tmp_path: Path) -> Holder:
    return pki.issue(tmp_path, "Alice", "token-authentication")


@pytest.fixture
def bob(pki: AtWork, tmp_path: Path) -> Holder:
    return pki.issue(tmp_path, "Bob", "token-authentication")


def write_crls(pki: AtWork, file: Path) -> Path:
    """Write the published CRLs of the whole chain to one file."""
    file.write_bytes(pki.crl(ROOT) + pki.crl(CA))
    return file


def revoke(pki: AtWork, holder: Holder, folder: Path) -> None:
    """Revoke a certificate, and publish a CRL that has it."""
    pki.revoke(holder)
    told(pki.site.directory, "crl", "--out", folder / "fresh.crl")


def client(pki: AtWork, holder: Holder) -> ssl.SSLContext:
    """Return what a client trusts and shows."""
    context = ssl.create_default_context(cafile=pki.root)
    context.load_cert_chain(holder.chain, holder.key)
    return context


def serving(pki: AtWork, server: Holder, port: int, revocation: str) -> str:
    """Return a server of nginx that looks at revocation in such a way."""
    return _SERVER.format(host=HOST, port=port, server=server, root=pki.root, revocation=revocation)


def answered(pki: AtWork, holder: Holder, port: int) -> tuple[int, str]:
    """Return what nginx answers to somebody."""
    connection = HTTPSConnection("localhost", port, context=client(pki, holder), timeout=PATIENCE)
    connection.request("GET", "/")
    with connection.getresponse() as response:
        return response.status, response.read().decode()


def test_nginx_refuses_a_client_once_it_has_the_crl_that_revokes_it(
    pki: AtWork, server: Holder, alice: Holder, bob: Holder, tmp_path: Path
) -> None:
    port, crls = free_port(), write_crls(pki, tmp_path / "chain.crl")
    with Nginx(tmp_path, serving(pki, server, port, f"ssl_crl {crls}")) as nginx:
        assert answered(pki, alice, port) == (200, "CN=Alice")
        revoke(pki, alice, tmp_path)
        write_crls(pki, crls)
        nginx.reload()

        status, page = answered(pki, alice, port)
        assert (status, "The SSL certificate error" in page) == (400, True)
        assert f"{REFUSED}: (23:certificate revoked) while" in nginx.log
        assert answered(pki, bob, port) == (200, "CN=Bob")


def test_nginx_that_asks_the_responder_refuses_a_client_as_soon_as_it_is_revoked(
    pki: AtWork, server: Holder, alice: Holder, bob: Holder, tmp_path: Path
) -> None:
    port = free_port()

    def is_let_in(holder: Holder) -> bool:
        return answered(pki, holder, port)[0] == 200

    def is_known_to_be_revoked() -> bool:
        return not is_let_in(alice) and f"{REFUSED}: certificate revoked while" in nginx.log

    with Nginx(tmp_path, serving(pki, server, port, "ssl_ocsp leaf")) as nginx:
        for holder in (alice, bob):
            wait_until(partial(is_let_in, holder))
        pki.revoke(alice)

        wait_until(is_known_to_be_revoked)
        status, page = answered(pki, alice, port)
        assert (status, "The SSL certificate error" in page) == (400, True)
        assert is_let_in(bob)


def handshake(of_server: ssl.SSLContext, of_client: ssl.SSLContext) -> None:
    """Lead both sides through a handshake, in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        of_client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        of_server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)


def test_python_refuses_a_client_once_it_has_the_crl_that_revokes_it(
    pki: AtWork, server: Holder, alice: Holder, bob: Holder, tmp_path: Path
) -> None:
    def looking_at(crls: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki.root)
        context.load_cert_chain(server.chain, server.key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
        context.load_verify_locations(crls)
        return context

    crls = write_crls(pki, tmp_path / "chain.crl")
    handshake(looking_at(crls), client(pki, alice))
    revoke(pki, alice, tmp_path)

    without_root = tmp_path / "without-root.crl"
    without_root.write_bytes(pki.crl(CA))
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get certificate CRL"):
        handshake(looking_at(without_root), client(pki, bob))
    fresh = looking_at(write_crls(pki, crls))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        handshake(fresh, client(pki, alice))
    handshake(fresh, client(pki, bob))
