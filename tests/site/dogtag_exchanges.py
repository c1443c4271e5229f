"""Recorded requests to Dogtag's TKS and its answers, read as a TPS and its TKS read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tests.vectors import Vector, read

FILE = "dogtag_exchanges.json"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer.

    Attributes:
        id: of the vector.
        asked: the request's parameters as they are.
        answered: the answer's fields; without one, where Dogtag crashed.
    """

    id: str
    asked: dict[str, str]
    answered: dict[str, str]

    @property
    def operation(self) -> str:
        """What is asked, as Dogtag tells it by the parameters that there are."""
        if "data" in self.asked:
            return "encryptData"
        if "newKeyInfo" in self.asked:
            return "createKeySetData"
        if "dataNumBytes" in self.asked:
            return "computeRandomData"
        return "computeSessionKey"

    @property
    def scp(self) -> int:
        """The number of the protocol, 1 where none is named."""
        return int(self.asked.get("protocol", "1"))

    @property
    def is_served(self) -> bool:
        """Whether Dogtag did what it was asked."""
        return self.answered.get("status") == "0"

    def parameter(self, name: str) -> bytes:
        """Return a parameter's bytes, which are `#XX`, or with `%23` for each `#`."""
        return bytes.fromhex(self.asked[name].replace("%23", "").replace("#", ""))

    def answer(self, name: str) -> bytes:
        """Return a field's bytes."""
        return unquote_to_bytes(self.answered[name])


def exchanges() -> Iterator[Exchange]:
    """Yield all that were recorded."""
    for vector in read(FILE):
        yield _read(vector)


def exchange(name: str) -> Exchange:
    """Return the one of this id."""
    (found,) = [each for each in exchanges() if each.id == name]
    return found


def _read(vector: Vector) -> Exchange:
    body = vector.fields.get("response_body", "")
    return Exchange(vector["id"], _pairs(vector["request_body"]), _pairs(body))


def _pairs(body: str) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in body.split("&") if pair)
