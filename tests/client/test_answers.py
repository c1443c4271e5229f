"""Answers that are JSON objects, and still not what the service says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tmsd.api.tks import ROUTES
from tmsd.client.connection import Connection
from tmsd.client.problem import ProtocolError
from tmsd.client.tks import TokenKeyService
from tmsd.client.values import PresentedCard, Session

CARD = PresentedCard(bytes(32), bytes(8))
SESSION = Session(3, 0x70, "pilot", 1, 2, bytes(8), bytes(21), "token")

OPENED: dict[str, Any] = {
    "scp": "03",
    "i": "70",
    "key_set": "pilot",
    "key_version": 1,
    "newest_key_version": 2,
    "host_cryptogram": "00" * 8,
    "external_authenticate": "00" * 21,
    "session": "token",
}
KEYS: dict[str, Any] = {
    "transport_key": "tps",
    "mechanism": "aes-key-wrap",
    "enc": None,
    "mac": "00" * 24,
    "rmac": None,
    "dek": None,
}

KEY_VERSION: dict[str, Any] = {"version": 1, "state": "active", "key_check_value": None}
KEY_SET: dict[str, Any] = {
    "name": "pilot",
    "scp": "03",
    "algorithm": "aes128",
    "diversification": "kdf3",
    "versions": [KEY_VERSION],
    "newest_key_version": None,
}

Call = Callable[[TokenKeyService], Awaitable[object]]


class Answering(Connection):
    """A connection to a service that gives one answer to everything."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer
        self._patience = 0.0
        self.asked: list[object] = []

    async def _request(self, *asked: object) -> dict[str, Any]:
        self.asked += asked[:2]
        return self._answer


async def ask(call: Call, answer: dict[str, Any]) -> object:
    return await call(TokenKeyService(Answering(answer)))


CALLS: list[tuple[Call, dict[str, Any]]] = [
    (lambda tks: tks.issue_challenge(), {"host_challenge": "00" * 8, "challenge": "token"}),
    (lambda tks: tks.open_session(CARD), OPENED),
    (lambda tks: tks.open_delivered_session(CARD), OPENED | {"keys": KEYS}),
    (lambda tks: tks.wrap(SESSION, [b""]), {"session": "token", "apdus": ["00"]}),
    (
        lambda tks: tks.unwrap(SESSION, [b""]),
        {
            "session": "token",
            "responses": [{"response": "9000", "protected": True}],
            "closed": False,
        },
    ),
    (
        lambda tks: tks.put_key(SESSION, 2, mode="add"),
        {"session": "token", "apdu": "00", "key_check_values": ["000000"] * 3},
    ),
    (
        lambda tks: tks.confirm_put_key(SESSION, b""),
        {"session": "token", "new_key_version": 2, "protected": False},
    ),
    (
        lambda tks: tks.challenge_presence(SESSION),
        {"session": "token", "challenge": "00", "encrypted": "00"},
    ),
    (
        lambda tks: tks.challenge_possession(SESSION),
        {"session": "token", "encrypted": "00", "ticket": "token"},
    ),
    (lambda tks: tks.encrypt(SESSION, "pin", b""), {"session": "token", "encrypted": "00"}),
    (lambda tks: tks.verify_cryptogram(CARD), {"valid": True}),
    (lambda tks: tks.random(1), {"random": "00"}),
    (lambda tks: tks.key_sets(), {"key_sets": [KEY_SET]}),
]


async def test_there_is_a_call_for_each_path_of_the_service() -> None:
    asked = set()
    for call, answer in CALLS:
        service = Answering(answer)
        await call(TokenKeyService(service))
        asked.add(tuple(service.asked))

    assert asked == {(each.method, each.path) for each in ROUTES}


@pytest.mark.parametrize(("call", "answer"), CALLS)
async def test_a_whole_answer_is_taken(call: Call, answer: dict[str, Any]) -> None:
    assert await ask(call, answer) is not None


@pytest.mark.parametrize(("call", "answer"), CALLS)
@pytest.mark.parametrize("wrong", [..., None, 1.5, {}, [None], "not hex"])
async def test_an_answer_with_a_field_that_is_missing_or_of_another_type_is_none(
    call: Call, answer: dict[str, Any], wrong: object
) -> None:
    for field in answer:
        if field == "session" and "keys" in answer:
            continue  # a delivery has no session
        if isinstance(wrong, str) and field in ("session", "challenge", "ticket", "key_set"):
            continue  # which is text
        spoilt = {name: value for name, value in answer.items() if name != field}
        if wrong is not ...:
            spoilt[field] = wrong
        with pytest.raises(ProtocolError):
            await ask(call, spoilt)


@pytest.mark.parametrize(
    ("number", "field", "value"),
    [
        (1, "scp", "0303"),
        (1, "key_version", True),
        (2, "keys", KEYS | {"mechanism": "rot13"}),
        (2, "keys", KEYS | {"mac": None}),
        (2, "keys", KEYS | {"enc": 7}),
        (4, "responses", [{"response": "90", "protected": True}]),
        (4, "responses", [{"response": "9000", "protected": "yes"}]),
        (5, "key_check_values", ["000000"] * 2),
        (5, "key_check_values", ["000000", "000000", "zz"]),
        (10, "valid", "true"),
        (12, "key_sets", [{"name": "pilot"}]),
        (12, "key_sets", [KEY_SET | {"versions": [KEY_VERSION | {"state": "lost"}]}]),
    ],
)
async def test_what_is_no_value_of_the_field_is_none(
    number: int, field: str, value: object
) -> None:
    call, answer = CALLS[number]

    with pytest.raises(ProtocolError):
        await ask(call, answer | {field: value})
