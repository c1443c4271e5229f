"""Requests of TPSs of Dogtag: whatever body is sent is read, or refused by a page."""

from collections.abc import Iterator

from tests.dogtag.exchanges import EXCHANGES
from tmsd.dogtag import parameters, requests
from tmsd.dogtag.answers import refused
from tmsd.errors import ServiceError


def request(data: bytes) -> None:
    """Read a body as a request; a refusal must be one that can be told."""
    found = parameters.parse(data)
    operation = requests.operation(found)
    try:
        requests.read(operation, found)
    except ServiceError as refusal:
        page = refused(operation, refusal)
        assert page.http_status == 200
        assert len(page.body) < 200


def requests_recorded() -> Iterator[bytes]:
    """Yield recorded bodies."""
    for exchange in EXCHANGES.values():
        yield exchange.request_body.encode()
