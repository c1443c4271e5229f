"""What a running Dogtag TKS answered, a running daemon answers: byte for byte, or as it means."""

import socket
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from tests.dogtag.conftest import RunningDogtagSite
from tests.dogtag.exchanges import EXCHANGES, Exchange
from tests.dogtag.meaning import assert_same_answer
from tests.site import dogtag_meaning
from tests.site.caller import tls_settings
from tests.site.directory import HOST
from tests.site.dogtag_exchanges import exchange as parsed
from tests.site.dogtag_site import OPEN, OTHER, Tps, answered
from tests.site.dogtag_static_keys import static_dek
from tmsd.globalplatform.plain_key import PlainKey

OF_A_REAL_TPS = [exchange for name, exchange in EXCHANGES.items() if exchange.request_head]
# Random bytes, which may be any; and a card that is refused has to wait before it is asked again.
MISMATCHES = {name for name, each in EXCHANGES.items() if each.response_body == "status=5"}


@pytest.fixture
def tps(tks: RunningDogtagSite) -> Iterator[Tps]:
    with Tps(tks.dogtag, OPEN) as opened:
        yield opened


def dek_of(exchange: Exchange, answer: dict[str, bytes]) -> PlainKey | None:
    """Return the key that random values of an exchange are encrypted under."""
    if "derivationConstant" in exchange.request_body and answer:
        return dogtag_meaning.des_key(dogtag_meaning.of_tps(answer["sessionKey"]))
    if "tokencuid" not in exchange.request_body or exchange.fields.get("status") != b"0":
        return None
    return static_dek(parsed(f"dogtag-{exchange.name}"))


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_is_answered_as_it_was_by_dogtag(tks: RunningDogtagSite, name: str) -> None:
    exchange = EXCHANGES[name]
    with Tps(tks.dogtag, OTHER if name in MISMATCHES else OPEN) as tps:
        answer = tps.ask(exchange.path, exchange.request_body)

    assert_same_answer(answer, exchange, dek_of(exchange, answer.fields))


def test_the_parameters_alone_tell_what_is_asked_whatever_the_path(tps: Tps) -> None:
    for path in {exchange.path for exchange in EXCHANGES.values()}:
        for name in ("scp01-v1-dev-2", "cks-scp01-v2-to-v1-visa2", "random-0", "err-nothing"):
            exchange = EXCHANGES[name]
            assert_same_answer(tps.ask(path, exchange.request_body), exchange, None)


def test_a_real_tps_is_answered_over_one_connection_with_the_heads_that_it_sends(
    tks: RunningDogtagSite,
) -> None:
    assert len(OF_A_REAL_TPS) == 14
    with (
        socket.create_connection((HOST, tks.dogtag.port), timeout=20) as plain,
        tls_settings(tks.dogtag.site, OPEN).wrap_socket(plain, server_hostname=HOST) as tls,
    ):
        for exchange in OF_A_REAL_TPS:
            assert exchange.request_head is not None
            tls.sendall(exchange.request_head.encode() + exchange.request_body.encode())
            response = HTTPResponse(tls)
            response.begin()
            answer = answered(response)
            assert response.getheader("Connection") == "keep-alive"
            assert response.getheader("Content-Length") == str(len(answer.body))
            assert response.getheader("Transfer-Encoding") is None
            assert_same_answer(answer, exchange, dek_of(exchange, answer.fields))
