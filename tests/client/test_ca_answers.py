"""Answers of a CA that are JSON objects, and still not what the service says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.client.test_answers import Answering
from tmsd.client.ca import CertificateAuthority
from tmsd.client.certificates import Reason, WantedCertificate
from tmsd.client.problem import ProtocolError

SERIAL_NUMBER = bytes(16)
STATUS: dict[str, Any] = {
    "serial_number": "00" * 16,
    "certificate": "PEM",
    "profile": "token-signing",
    "subject": "CN=Alice",
    "not_before": "2031-05-17T12:00:00Z",
    "not_after": "2031-06-17T12:00:00Z",
    "status": "hold",
}
REVOKED: dict[str, Any] = {"revoked_at": "2031-05-18T12:00:00Z", "reason": "certificateHold"}
CRL: dict[str, Any] = {
    "crl": "PEM",
    "number": 1,
    "this_update": "2031-05-17T12:00:00Z",
    "next_update": "2031-05-18T12:00:00Z",
}

Call = Callable[[CertificateAuthority], Awaitable[object]]

CALLS: list[tuple[Call, dict[str, Any]]] = [
    (
        lambda ca: ca.issue(WantedCertificate("token-signing", "PEM")),
        {"serial_number": "00" * 16, "certificate": "PEM", "chain": ["PEM"]},
    ),
    (lambda ca: ca.certificate(SERIAL_NUMBER), STATUS),
    (lambda ca: ca.revoke(SERIAL_NUMBER, Reason.SUPERSEDED), STATUS),
    (lambda ca: ca.hold(SERIAL_NUMBER), STATUS),
    (lambda ca: ca.release(SERIAL_NUMBER), STATUS),
    (lambda ca: ca.chain(), {"chain": ["PEM", "PEM"]}),
    (lambda ca: ca.crl(), CRL),
]


async def ask(call: Call, answer: dict[str, Any]) -> object:
    return await call(CertificateAuthority(Answering(answer), "demo"))


@pytest.mark.parametrize(("call", "answer"), CALLS)
async def test_a_whole_answer_is_taken(call: Call, answer: dict[str, Any]) -> None:
    assert await ask(call, answer) is not None


@pytest.mark.parametrize("wrong", [..., None, 1.5, {}, [None]])
@pytest.mark.parametrize(("call", "answer"), CALLS)
async def test_an_answer_with_a_field_that_is_missing_or_of_another_type_is_none(
    call: Call, answer: dict[str, Any], wrong: object
) -> None:
    for field in answer:
        spoilt = {name: value for name, value in answer.items() if name != field}
        if wrong is not ...:
            spoilt[field] = wrong
        with pytest.raises(ProtocolError):
            await ask(call, spoilt)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "bad"),
        ("serial_number", "zz"),
        ("not_after", "2031-06-17"),
        ("revoked_at", "yesterday"),
        ("revoked_at", 1),
        ("reason", 1),
    ],
)
async def test_what_is_no_value_of_the_field_is_none(field: str, value: object) -> None:
    assert await ask(CALLS[1][0], STATUS | REVOKED) is not None
    with pytest.raises(ProtocolError):
        await ask(CALLS[1][0], STATUS | REVOKED | {field: value})
