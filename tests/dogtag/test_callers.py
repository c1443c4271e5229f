"""Who is answered at the listener for TPSs of Dogtag: they alone, with TLS 1.2 as well."""

import socket
import ssl
import subprocess

import pytest

from tests.dogtag.cards import RANDOM
from tests.dogtag.conftest import RunningDogtagSite
from tests.dogtag.exchanges import EXCHANGES
from tests.dogtag.meaning import assert_same_answer
from tests.site.caller import Caller, tls_settings
from tests.site.channels import RANDOM as NATIVE_RANDOM
from tests.site.directory import HOST
from tests.site.dogtag_site import NATIVE, OPEN, STRANGE, Tps
from tests.site.identities import STRANGER
from tmsd.api.server import OPENAPI_PATH

EXCHANGE = EXCHANGES["scp01-v1-dev-2"]


def settings(tks: RunningDogtagSite, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = tls_settings(tks.dogtag.site, OPEN)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_get_through(tks: RunningDogtagSite, version: ssl.TLSVersion) -> None:
    with Tps(tks.dogtag, OPEN, settings(tks, version)) as tps:
        assert_same_answer(tps.ask(EXCHANGE.path, EXCHANGE.request_body), EXCHANGE, None)


def test_at_the_api_tls_1_2_gets_nobody_through(tks: RunningDogtagSite) -> None:
    with (
        socket.create_connection((HOST, tks.dogtag.site.port), timeout=20) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        settings(tks, ssl.TLSVersion.TLSv1_2).wrap_socket(plain, server_hostname=HOST)


def test_nobody_gets_through_without_a_certificate_of_the_callers_ca(
    tks: RunningDogtagSite,
) -> None:
    ca = tks.dogtag.site.credentials("ca").certificate
    for context in (
        ssl.create_default_context(cafile=ca),
        tls_settings(tks.dogtag.site, STRANGER),
    ):
        with (
            Tps(tks.dogtag, OPEN, context) as tps,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            tps.ask(RANDOM, "dataNumBytes=8")


@pytest.mark.parametrize(("name", "code"), [(NATIVE, "role-missing"), (STRANGE, "caller-unknown")])
def test_others_are_told_that_they_are_not_authorized(
    tks: RunningDogtagSite, name: str, code: str
) -> None:
    with Tps(tks.dogtag, name) as other:
        answers = [other.ask(each.path, each.request_body) for each in EXCHANGES.values()]

    assert {(each.http_status, each.content_type, each.body) for each in answers} == {
        (200, "text/html", b"unauthorized=")
    }
    for answer in answers:
        (refused,) = tks.trail.of_request(answer.request_id or "")
        assert (refused.decision.operation, refused.decision.code) == ("dogtag.request", code)


def test_a_tps_of_dogtag_is_refused_at_the_api(tks: RunningDogtagSite) -> None:
    with Caller(tks.dogtag.site, OPEN) as tps:
        refused = [tps.post(NATIVE_RANDOM, {"length": 8}), tps.get(OPENAPI_PATH)]

    assert [(each.status, each.code) for each in refused] == [(403, "role-missing")] * 2
    assert 'protocol = "dogtag"' in refused[0].document["detail"]


def test_a_session_by_curl_works_as_its_manual_has_it(tks: RunningDogtagSite) -> None:
    files = tks.dogtag.site.credentials(OPEN)
    command = [
        *("curl", "--silent", "--show-error", "--http1.0", "--tls-max", "1.2"),
        *("--cacert", str(tks.dogtag.site.credentials("ca").certificate)),
        *("--cert", str(files.certificate), "--key", str(files.private_key)),
        *("--data", EXCHANGE.request_body),
        f"https://{HOST}:{tks.dogtag.port}{EXCHANGE.path}",
    ]

    answered = subprocess.run(command, capture_output=True, check=True, timeout=20)

    assert answered.stdout.decode() == EXCHANGE.response_body


def test_a_session_by_openssl_works_as_it_is_typed(tks: RunningDogtagSite) -> None:
    files = tks.dogtag.site.credentials(OPEN)
    command = [
        *("openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"{HOST}:{tks.dogtag.port}"),
        *("-CAfile", str(tks.dogtag.site.credentials("ca").certificate)),
        *("-cert", str(files.certificate), "-key", str(files.private_key)),
    ]
    body = EXCHANGE.request_body
    head = (
        f"POST {EXCHANGE.path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(f"{head}{body}".encode())
        client.stdin.flush()
        answer = client.stdout.read()  # to the end of the connection, which is not kept

    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.decode().endswith(f"\r\n\r\n{EXCHANGE.response_body}")
