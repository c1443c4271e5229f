"""Exchanges that were recorded from a running Dogtag TKS, and some of a real TPS with its TKS."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.vectors import DIRECTORY


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what it was answered.

    Attributes:
        name: of it.
        path: that it was sent to.
        request_body: as it was sent.
        request_head: of a real TPS, as it was sent; None where it was not recorded.
        content_type: of the answer; None where there was none.
        response_body: None where it was a page that told of a crash.
    """

    name: str
    path: str
    request_body: str
    request_head: str | None
    content_type: str | None
    response_body: str | None

    @property
    def fields(self) -> Mapping[str, bytes]:
        """The fields of the answer, in their order."""
        return fields_of((self.response_body or "").encode())


def fields_of(body: bytes) -> dict[str, bytes]:
    """Take an answer apart as a TPS does: at `&` and `=`, and then at each `%`."""
    fields: dict[str, bytes] = {}
    for pair in body.split(b"&") if body else ():
        name, _, value = pair.partition(b"=")
        is_encoded = value.startswith(b"%")
        decoded = bytes.fromhex(value.decode().replace("%", "")) if is_encoded else value
        assert name.decode() not in fields
        fields[name.decode()] = decoded
    return fields


def _exchange(recorded: Mapping[str, Any]) -> Exchange:
    assert recorded["http_status"] == 200
    return Exchange(
        name=recorded["id"].removeprefix("dogtag-"),
        path=recorded["path"],
        request_body=recorded["request_body"],
        request_head=recorded.get("request_head"),
        content_type=recorded["content_type"],
        response_body=None if recorded.get("html") else recorded["response_body"],
    )


_FILE = json.loads((DIRECTORY / "dogtag_exchanges.json").read_text())
KEYS: Mapping[str, bytes] = {
    name: bytes.fromhex(value) for name, value in _FILE["keys"].items() if not name.endswith("_pem")
}
EXCHANGES: Mapping[str, Exchange] = {
    exchange.name: exchange for exchange in map(_exchange, _FILE["vectors"])
}
