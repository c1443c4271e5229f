"""The security boundary: every bound holds at decoding, whoever encoded."""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec
import pytest

from tests.vault.samples import ANSWERS, REQUESTS
from tmsd.vault import card_messages, messages, worker_messages
from tmsd.vault.framing import LENGTH_BYTES, FrameError, FrameReader
from tmsd.vault.message import MAX_TICKET
from tmsd.vault.messages import Question, Reply

ISSUE = {"type": "issue-challenge", "caller": "tps", "length": 8}
CARD = {"initialize_update": bytes(28)}
OPEN = {
    "type": "open-channel",
    "caller": "tps",
    "key_set": "pilot",
    "card": CARD,
    "security_level": 1,
}
WRAP = {"type": "wrap-commands", "caller": "tps", "session": b"s", "apdus": [bytes(4)]}
RANDOM = {"type": "make-random", "caller": "tps", "length": 1}
DESCRIBE = {"type": "describe-key-set", "caller": "tps", "key_set": "pilot"}
VERIFY = {"type": "verify-cryptogram", "caller": "tps", "key_set": "pilot", "card": CARD}
DELIVER = OPEN | {"type": "deliver-keys"}
UNWRAP = {"type": "unwrap-responses", "caller": "tps", "session": b"s", "responses": [b"\x90\x00"]}
PUT = {
    "type": "put-key",
    "caller": "tps",
    "session": b"s",
    "new_key_set": None,
    "new_key_version": 1,
    "mode": "add",
}
CONFIRM = {"type": "confirm-put-key", "caller": "tps", "session": b"s", "response": b"\x90\x00"}
ENCRYPT = {
    "type": "encrypt-data",
    "caller": "tps",
    "session": b"s",
    "purpose": "pin",
    "data": bytes(16),
}
PREPARE = {
    "type": "prepare-certificate",
    "caller": "ra",
    "ca": "demo",
    "profile": "tls-server",
    "proof": {"type": "csr", "csr": b"csr"},
    "fields": {"dns": ["pki.example"]},
    "days": None,
}
DOGTAG_CARD = {"kdd": bytes(10), "cuid": bytes(10), "key_version": 1}
OF_DOGTAG = {"caller": "tps", "key_set": "pilot", "card": DOGTAG_CARD}
MAKE_SESSION_KEYS = OF_DOGTAG | {
    "type": "make-session-keys",
    "i": None,
    "card_challenge": bytes(8),
    "host_challenge": bytes(8),
    "card_cryptogram": bytes(8),
    "ticket": None,
    "server_side_keygen": False,
}
MAKE_SCP02_KEY = OF_DOGTAG | {
    "type": "make-scp02-key",
    "sequence_counter": bytes(2),
    "derivation_constant": b"\x01\x82",
    "server_side_keygen": False,
}
MAKE_KEY_SET_DATA = OF_DOGTAG | {
    "type": "make-key-set-data",
    "new_key_set": "pilot",
    "new_key_version": 2,
    "voucher": None,
    "wrapped_dek": None,
}
ENCRYPT_CHALLENGE = OF_DOGTAG | {"type": "encrypt-challenge", "voucher": None}
DRAFT = PREPARE | {"type": "draft-certificate"}
SIGN = {"type": "sign-certificate", "caller": "ra", "prepared": b"p"}
SIGN_CRL = {
    "type": "sign-crl",
    "caller": "appliance",
    "ca": "demo",
    "partition": 0,
    "number": 2,
    "base_number": None,
    "entries": bytes(33),
}
SIGN_STATUSES = {
    "type": "sign-statuses",
    "caller": "appliance",
    "ca": "demo",
    "statuses": [{"serial_number": bytes(16), "revoked_at": None, "reason": None}],
}
EVERY: list[Mapping[str, Any]] = [
    ISSUE,
    OPEN,
    DELIVER,
    WRAP,
    UNWRAP,
    PUT,
    CONFIRM,
    ENCRYPT,
    RANDOM,
    DESCRIBE,
    VERIFY,
    MAKE_SESSION_KEYS,
    MAKE_SCP02_KEY,
    MAKE_KEY_SET_DATA,
    ENCRYPT_CHALLENGE,
    DRAFT,
    PREPARE,
    SIGN,
    SIGN_CRL,
    SIGN_STATUSES,
]
CHANNEL = {
    "session": b"s",
    "key_set": "pilot",
    "key_version": 1,
    "diversification_data": bytes(10),
}
DELIVERED: dict[str, Any] = {
    "type": "keys-delivered",
    "scp": 3,
    "i": 0x70,
    "key_set": "pilot",
    "key_version": 1,
    "newest_key_version": 2,
    "host_cryptogram": bytes(8),
    "external_authenticate": bytes(21),
    "keys": {
        "transport_key": "tps",
        "mechanism": "aes-key-wrap",
        "enc": None,
        "mac": bytes(24),
        "rmac": None,
        "dek": None,
    },
    "key_material_in_worker": False,
}
MADE = {
    "type": "put-key-made",
    "channel": CHANNEL,
    "apdu": bytes(80),
    "key_check_values": [bytes(3)] * 3,
    "key_material_in_worker": False,
}
UNWRAPPED = {
    "type": "responses-unwrapped",
    "channel": CHANNEL,
    "responses": [{"response": b"\x90\x00", "protected": True}],
    "closed": False,
}
ENCRYPTED = {
    "type": "data-encrypted",
    "channel": CHANNEL,
    "encrypted": bytes(16),
    "challenge": None,
}


def _read_answer(answer: object) -> Reply:
    body = msgspec.msgpack.encode({"number": 1, "answer": answer})
    (read,) = FrameReader(Reply).feed(len(body).to_bytes(LENGTH_BYTES, "big") + body)
    return read


def _read(request: object, **around: object) -> Question:
    question = {"number": 1, "deadline": 0.0, "request": request} | around
    body = msgspec.msgpack.encode(question)
    (read,) = FrameReader(Question).feed(len(body).to_bytes(LENGTH_BYTES, "big") + body)
    return read


def test_every_request_is_written_out_here() -> None:
    tags = {request.__struct_config__.tag for request in get_args(messages.AnyRequest)}

    assert {request["type"] for request in EVERY} == tags


@pytest.mark.parametrize("request_", EVERY, ids=lambda request: str(request["type"]))
def test_each_request_is_read_and_no_field_may_be_added_or_missing(
    request_: Mapping[str, Any],
) -> None:
    assert _read(request_).request is not None

    with pytest.raises(FrameError, match="unknown field `scheme`"):
        _read({**request_, "scheme": "none"})
    for name in request_:
        with pytest.raises(FrameError, match=f"missing required field `{name}`"):
            _read({key: value for key, value in request_.items() if key != name})


@pytest.mark.parametrize(
    "request_",
    [
        ISSUE | {"length": 9},
        ISSUE | {"length": True},
        ISSUE | {"caller": ""},
        ISSUE | {"caller": "x" * 65},
        ISSUE | {"caller": "TPS"},
        ISSUE | {"caller": "../tps"},
        ISSUE | {"caller": "tps\n"},
        ISSUE | {"caller": b"tps"},
        OPEN | {"card": {"initialize_update": bytes(11)}},
        OPEN | {"card": {"initialize_update": bytes(51)}},
        OPEN | {"card": CARD | {"ticket": b""}},
        OPEN | {"card": CARD | {"ticket": bytes(MAX_TICKET + 1)}},
        OPEN | {"card": CARD | {"host_challenge": bytes(7)}},
        OPEN | {"card": CARD | {"host_challenge": bytes(17)}},
        OPEN | {"card": CARD | {"scp_i": 256}},
        OPEN | {"card": CARD | {"cuid": bytes(9)}},
        OPEN | {"card": CARD | {"cuid": bytes(11)}},
        OPEN | {"card": CARD | {"key_version": 1}},
        OPEN | {"security_level": -1},
        OPEN | {"security_level": 256},
        OPEN | {"security_level": 1.0},
        WRAP | {"session": b""},
        WRAP | {"session": bytes(card_messages.MAX_SESSION + 1)},
        WRAP | {"apdus": []},
        WRAP | {"apdus": [b""]},
        WRAP | {"apdus": [bytes(card_messages.MAX_APDU + 1)]},
        WRAP | {"apdus": [bytes(4)] * (card_messages.MAX_APDUS + 1)},
        WRAP | {"apdus": "80500000"},
        DELIVER | {"security_level": 256},
        DELIVER | {"transport_key": "mine"},
        UNWRAP | {"responses": []},
        UNWRAP | {"responses": [b"\x90"]},
        UNWRAP | {"responses": [bytes(card_messages.MAX_RESPONSE + 1)]},
        UNWRAP | {"responses": [b"\x90\x00"] * (card_messages.MAX_APDUS + 1)},
        PUT | {"new_key_version": 0},
        PUT | {"new_key_version": 128},
        PUT | {"new_key_set": "../pilot"},
        PUT | {"mode": "delete"},
        CONFIRM | {"response": b"\x90"},
        CONFIRM | {"response": bytes(card_messages.MAX_RESPONSE + 1)},
        ENCRYPT | {"purpose": "key"},
        ENCRYPT | {"data": bytes(7)},
        ENCRYPT | {"data": bytes(card_messages.MAX_ENCRYPTED + 1)},
        SIGN | {"approval": {"request": b"r"}},
        SIGN | {"approval": {"request": b"", "approvals": []}},
        SIGN | {"approval": {"request": b"r", "approvals": [b""]}},
        SIGN | {"approval": {"request": b"r", "approvals": [b"a"] * 33}},
        PREPARE | {"approval": b"approved"},
        RANDOM | {"length": 0},
        RANDOM | {"length": card_messages.MAX_RANDOM + 1},
        RANDOM | {"type": "random-made"},
        None,
        [],
        {},
    ],
    ids=str,
)
def test_a_value_out_of_its_bounds_is_refused(request_: object) -> None:
    with pytest.raises(FrameError, match="not a message of the protocol"):
        _read(request_)


@pytest.mark.parametrize(
    "answer", [DELIVERED, MADE, UNWRAPPED, ENCRYPTED], ids=lambda answer: answer["type"]
)
def test_an_answer_is_read_and_no_field_may_be_added_or_missing(answer: Mapping[str, Any]) -> None:
    assert _read_answer(answer).answer is not None

    with pytest.raises(FrameError, match="unknown field `key`"):
        _read_answer({**answer, "key": bytes(16)})
    for name in answer:
        with pytest.raises(FrameError, match=f"missing required field `{name}`"):
            _read_answer({key: value for key, value in answer.items() if key != name})


@pytest.mark.parametrize(
    "answer",
    [
        DELIVERED | {"host_cryptogram": bytes(7)},
        DELIVERED | {"host_cryptogram": bytes(17)},
        DELIVERED | {"keys": DELIVERED["keys"] | {"mechanism": "none"}},
        DELIVERED | {"keys": DELIVERED["keys"] | {"mac": None}},
        DELIVERED | {"keys": DELIVERED["keys"] | {"mac": bytes(15)}},
        DELIVERED | {"keys": DELIVERED["keys"] | {"dek": bytes(41)}},
        DELIVERED | {"key_material_in_worker": None},
        MADE | {"key_check_values": []},
        MADE | {"key_check_values": [bytes(3)] * 4},
        MADE | {"key_check_values": [bytes(3), bytes(3), bytes(4)]},
        MADE | {"apdu": bytes(card_messages.MAX_APDU + 1)},
        UNWRAPPED | {"responses": []},
        UNWRAPPED | {"responses": [{"response": b"\x90\x00"}]},
        UNWRAPPED | {"channel": CHANNEL | {"diversification_data": bytes(11)}},
        UNWRAPPED | {"channel": CHANNEL | {"session": bytes(card_messages.MAX_SESSION + 1)}},
        ENCRYPTED | {"challenge": bytes(15)},
        ENCRYPTED | {"encrypted": bytes(card_messages.MAX_ENCRYPTED + 1)},
        {"type": "put-key"},
    ],
    ids=str,
)
def test_an_answer_out_of_its_bounds_is_refused(answer: object) -> None:
    with pytest.raises(FrameError, match="not a message of the protocol"):
        _read_answer(answer)


@pytest.mark.parametrize("number", [0, -1, 2**53, "1"])
def test_a_question_has_a_number_above_0(number: object) -> None:
    with pytest.raises(FrameError):
        _read(RANDOM, number=number)


def test_every_request_has_its_answer_and_both_are_of_the_closed_set() -> None:
    requests, answers = get_args(messages.AnyRequest), get_args(messages.AnyAnswer)

    assert {request.ANSWER for request in requests} <= set(answers)
    assert len({request.ANSWER for request in requests}) == len(requests)
    unasked = {
        worker_messages.Refused,
        worker_messages.Started,
        worker_messages.StartFailed,
        worker_messages.Condition,
    }
    assert set(answers) - {request.ANSWER for request in requests} == unasked


def test_each_message_is_frozen_and_named_on_the_wire_as_in_the_code() -> None:
    for message in (*get_args(messages.AnyRequest), *get_args(messages.AnyAnswer)):
        config = message.__struct_config__
        assert config.frozen
        assert config.forbid_unknown_fields
        words = "".join(word.capitalize() for word in config.tag.split("-"))
        assert words == message.__name__


def test_the_property_tests_know_every_message() -> None:
    assert REQUESTS.keys() == set(get_args(messages.AnyRequest))
    assert ANSWERS.keys() == set(get_args(messages.AnyAnswer))
    assert Question.__annotations__["request"] == messages.AnyRequest
    assert Reply.__annotations__["answer"] == messages.AnyAnswer
