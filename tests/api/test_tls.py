"""Who gets through TLS: version 1.3, with a client certificate of the callers' CA."""

import socket
import ssl
from http.client import HTTPSConnection

import pytest

from tests.site.caller import tls_settings
from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import SERVER, STRANGER, TPS
from tmsd.api.server import OPENAPI_PATH


def ask(site: RunningSite, settings: ssl.SSLContext) -> int:
    """Return the status of an answer; in TLS 1.3 a client learns of a refusal when it reads."""
    connection = HTTPSConnection(HOST, site.site.port, context=settings, timeout=10)
    try:
        connection.request("GET", OPENAPI_PATH)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_callers_certificate_gets_through(site: RunningSite) -> None:
    assert ask(site, tls_settings(site.site, TPS)) == 200


def test_nothing_older_than_tls_1_3_gets_through(site: RunningSite) -> None:
    settings = tls_settings(site.site, TPS)
    settings.minimum_version = ssl.TLSVersion.TLSv1_2
    settings.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError):
        ask(site, settings)


def test_nobody_gets_through_without_a_certificate(site: RunningSite) -> None:
    settings = ssl.create_default_context(cafile=site.site.credentials("ca").certificate)

    with pytest.raises((ssl.SSLError, ConnectionError), match=r"(?i)certificate|reset|closed"):
        ask(site, settings)


@pytest.mark.parametrize("name", [STRANGER, SERVER])
def test_no_certificate_of_another_ca_or_for_another_purpose_gets_through(
    site: RunningSite, name: str
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(site, tls_settings(site.site, name))


def test_plain_http_gets_no_answer(site: RunningSite) -> None:
    with socket.create_connection((HOST, site.site.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not connection.recv(1024).startswith(b"HTTP/")
