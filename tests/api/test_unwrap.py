"""Freeing responses of protection: POST /v1/tks/sessions/unwrap."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.site.batches import (
    AES128,
    AES256,
    AES_S16,
    AES_SHARED,
    DES_R_MAC,
    DES_VISA2,
    SCP01,
    Batch,
)
from tests.site.caller import Caller
from tests.site.channels import (
    CONFIRM,
    ENCRYPT,
    OK,
    PUT_KEY,
    UNWRAP,
    WRAP,
    JsonObject,
    get_data,
    open_channel,
    store_data,
    unwrap,
    wrap,
)
from tests.virtual_token.card import Card

STORED = 0xDF20
UNKNOWN_OBJECT = get_data(0xDF77)
NOT_FOUND = bytes.fromhex("6a88")
CLOSING = ["6982", "6988"]

WITH_R_MAC = [
    (AES128, "11"),
    (AES128, "13"),
    (AES128, "33"),
    (AES256, "33"),
    (AES_SHARED, "13"),
    (AES_S16, "11"),
    (AES_S16, "33"),
    (DES_R_MAC, "11"),
    (DES_R_MAC, "13"),
]
WITHOUT_R_MAC = [(AES128, "01"), (AES128, "03"), (DES_VISA2, "03"), (SCP01, "03")]


def named(value: object) -> str:
    return value.key_set if isinstance(value, Batch) else str(value)


with_r_mac = pytest.mark.parametrize(("batch", "level"), WITH_R_MAC, ids=named)
without_r_mac = pytest.mark.parametrize(("batch", "level"), WITHOUT_R_MAC, ids=named)
either = pytest.mark.parametrize(("batch", "level"), WITH_R_MAC + WITHOUT_R_MAC, ids=named)
over_the_site = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def answered(
    caller: Caller, card: Card, batch: Batch, level: str, commands: list[str]
) -> tuple[str, list[bytes]]:
    """Open a channel and send commands; return the session after them, and the responses."""
    session, wrapped = wrap(caller, open_channel(caller, batch, card, level), commands)
    return session, [card.transmit(apdu) for apdu in wrapped]


def body(session: str, responses: list[bytes]) -> JsonObject:
    return {"session": session, "responses": [response.hex() for response in responses]}


def requests(session: str) -> list[tuple[str, JsonObject]]:
    """Return one request of every call that takes a session."""
    return [
        (WRAP, {"session": session, "apdus": [get_data(STORED)]}),
        (UNWRAP, body(session, [OK])),
        (PUT_KEY, {"session": session, "new_key_version": 2, "mode": "add"}),
        (CONFIRM, {"session": session, "response": "9000"}),
        (ENCRYPT, {"session": session, "purpose": "proof-of-presence"}),
    ]


@either
def test_responses_come_out_as_the_card_meant_them(tps: Caller, batch: Batch, level: str) -> None:
    value = os.urandom(20)
    commands = [store_data(STORED, value), UNKNOWN_OBJECT, get_data(STORED)]

    session, sent = answered(tps, batch.card(), batch, level, commands)
    _, responses, closed = unwrap(tps, session, sent)

    read_back = STORED.to_bytes(2) + bytes([len(value)]) + value + OK
    plain = [each["response"] for each in responses]
    assert plain == [OK.hex(), NOT_FOUND.hex(), read_back.hex()]
    assert closed is False


@with_r_mac
def test_a_response_says_whether_an_r_mac_vouches_for_it(
    tps: Caller, batch: Batch, level: str
) -> None:
    commands = [store_data(STORED, b"value"), UNKNOWN_OBJECT]
    session, sent = answered(tps, batch.card(), batch, level, commands)

    _, responses, _ = unwrap(tps, session, sent)

    error_is_protected = batch.scp == 0x02  # SCP03 sends an error status word bare
    assert [each["protected"] for each in responses] == [True, error_is_protected]
    assert (sent[1] == NOT_FOUND) is not error_is_protected


@without_r_mac
def test_without_r_mac_nothing_vouches_for_a_response(
    tps: Caller, batch: Batch, level: str
) -> None:
    session, _ = wrap(tps, open_channel(tps, batch, batch.card(), level), [get_data(STORED)])

    _, responses, _ = unwrap(tps, session, [b"whatever" + OK])

    assert responses == [{"response": (b"whatever" + OK).hex(), "protected": False}]


def test_r_enc_hides_what_r_mac_alone_shows(tps: Caller) -> None:
    value = os.urandom(20)
    commands = [store_data(STORED, value), get_data(STORED)]

    for level, in_the_clear in (("13", True), ("33", False)):
        _, (_, sent) = answered(tps, AES128.card(), AES128, level, commands)
        assert (value in sent) is in_the_clear


@with_r_mac
def test_responses_may_come_one_by_one_or_together(tps: Caller, batch: Batch, level: str) -> None:
    commands = [store_data(STORED, b"one"), UNKNOWN_OBJECT, get_data(STORED)]
    session, sent = answered(tps, batch.card(), batch, level, commands)

    after, together, _ = unwrap(tps, session, sent)
    one_by_one = []
    for response in sent:
        session, responses, _ = unwrap(tps, session, [response])
        one_by_one += responses

    assert one_by_one == together
    assert session == after


@with_r_mac
def test_commands_and_responses_take_turns(tps: Caller, batch: Batch, level: str) -> None:
    card = batch.card()
    session = open_channel(tps, batch, card, level)

    for number in range(3):
        value = bytes([number]) * 8
        session, wrapped = wrap(tps, session, [store_data(STORED, value), get_data(STORED)])
        sent = [card.transmit(apdu) for apdu in wrapped]
        session, responses, _ = unwrap(tps, session, sent)
        assert bytes.fromhex(responses[1]["response"]).endswith(value + OK)


def test_commands_may_be_wrapped_while_responses_are_outstanding(tps: Caller) -> None:
    card = AES128.card()
    session, (first,) = answered(tps, card, AES128, "33", [store_data(STORED, b"value")])
    session, (second,) = wrap(tps, session, [get_data(STORED)])

    _, responses, _ = unwrap(tps, session, [first, card.transmit(second)])

    assert [each["protected"] for each in responses] == [True, True]


def test_the_same_body_gives_the_same_answer(tps: Caller) -> None:
    session, sent = answered(tps, AES128.card(), AES128, "33", [get_data(0x9F7F)])

    first, second = (tps.post(UNWRAP, body(session, sent)) for _ in range(2))

    assert first.status == 200
    assert first.content == second.content


class TestAWrongRMac:
    @over_the_site
    @given(
        which=st.sampled_from(WITH_R_MAC),
        place=st.integers(min_value=0, max_value=255),
        bit=st.integers(min_value=0, max_value=7),
    )
    def test_closes_the_channel_wherever_a_bit_is_wrong(
        self, tps: Caller, which: tuple[Batch, str], place: int, bit: int
    ) -> None:
        batch, level = which
        session, sent = answered(tps, batch.card(), batch, level, [get_data(0x9F7F)] * 2)
        wrong = bytearray(sent[1])
        wrong[place % len(wrong)] ^= 1 << bit

        refused = tps.post(UNWRAP, body(session, [sent[0], bytes(wrong)]))

        assert (refused.status, refused.code) == (409, "session-closed")
        assert refused.pointer == "/responses/1"
        assert refused.document["next"] == "reopen-channel"
        assert not {"responses", "session"} & refused.document.keys()

    @with_r_mac
    def test_is_what_responses_out_of_order_have(
        self, tps: Caller, batch: Batch, level: str
    ) -> None:
        commands = [get_data(0x9F7F), get_data(0x9F7F)]
        session, (first, second) = answered(tps, batch.card(), batch, level, commands)

        refused = tps.post(UNWRAP, body(session, [second, first]))

        assert (refused.code, refused.pointer) == ("session-closed", "/responses/0")

    @with_r_mac
    def test_is_what_a_response_of_another_channel_has(
        self, tps: Caller, batch: Batch, level: str
    ) -> None:
        card = batch.card()
        _, recorded = answered(tps, card, batch, level, [get_data(0x9F7F)])
        session, _ = answered(tps, card, batch, level, [get_data(0x9F7F)])

        refused = tps.post(UNWRAP, body(session, recorded))

        assert refused.code == "session-closed"

    @pytest.mark.parametrize("bare", ["6a88", "6982", "9000", "6310"])
    def test_is_none_at_all_where_scp02_has_to_have_one(self, tps: Caller, bare: str) -> None:
        session, _ = answered(tps, DES_R_MAC.card(), DES_R_MAC, "11", [get_data(0x9F7F)])

        refused = tps.post(UNWRAP, body(session, [bytes.fromhex(bare)]))

        assert (refused.code, refused.pointer) == ("session-closed", "/responses/0")

    @pytest.mark.parametrize("bare", ["9000", "6310", "00009000", "01020304050607086a88"])
    def test_is_none_at_all_where_scp03_has_to_have_one(self, tps: Caller, bare: str) -> None:
        session, _ = answered(tps, AES128.card(), AES128, "11", [get_data(0x9F7F)])

        refused = tps.post(UNWRAP, body(session, [bytes.fromhex(bare)]))

        assert (refused.code, refused.pointer) == ("session-closed", "/responses/0")


class TestResponses:
    @either
    def test_are_no_more_than_the_commands(self, tps: Caller, batch: Batch, level: str) -> None:
        session, (sent,) = answered(tps, batch.card(), batch, level, [get_data(0x9F7F)])

        refused = tps.post(UNWRAP, body(session, [sent, sent]))

        assert (refused.status, refused.code) == (422, "response-invalid")
        assert refused.pointer == "/responses/1"
        assert refused.detail == "every wrapped command has its response already"

    def test_come_after_commands(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card(), "11")

        refused = tps.post(UNWRAP, body(session, [OK]))

        assert (refused.code, refused.pointer) == ("response-invalid", "/responses/0")

    @pytest.mark.parametrize(
        ("responses", "pointer"),
        [
            ([], "/responses"),
            (["9000"] * 65, "/responses"),
            ("9000", "/responses"),
            (["9000", "90"], "/responses/1"),
            (["9000", ""], "/responses/1"),
            (["00" * 275], "/responses/0"),
            ([None], "/responses/0"),
            (["90 00"], "/responses/0"),
        ],
    )
    def test_have_a_status_word_and_at_most_256_bytes_and_a_mac(
        self, tps: Caller, responses: object, pointer: str
    ) -> None:
        session = open_channel(tps, AES128, AES128.card(), "11")

        refused = tps.post(UNWRAP, {"session": session, "responses": responses})

        assert (refused.code, refused.pointer) == ("request-invalid", pointer)

    def test_of_64_commands_are_taken_at_once(self, tps: Caller) -> None:
        commands = [get_data(0x9F7F)] * 64
        session, sent = answered(tps, AES_S16.card(), AES_S16, "33", commands)

        _, responses, _ = unwrap(tps, session, sent)

        assert [each["protected"] for each in responses] == [True] * 64

    def test_are_outstanding_only_as_far_as_a_session_can_hold_them(self, tps: Caller) -> None:
        # R-MACs of SCP02 are over whole commands, which the session has to keep.
        session = open_channel(tps, DES_R_MAC, DES_R_MAC.card(), "11")
        commands = [store_data(STORED, bytes(200))] * 64

        refused = tps.post(WRAP, {"session": session, "apdus": commands})

        assert (refused.code, refused.pointer) == ("request-invalid", "/apdus")
        assert "unwrap those that came" in refused.detail


class TestAClosedChannel:
    @pytest.mark.parametrize("status", CLOSING)
    @pytest.mark.parametrize(
        ("batch", "level"),
        [(AES128, "33"), (AES128, "03"), (DES_VISA2, "03"), (SCP01, "01")],
        ids=named,
    )
    def test_is_told_with_the_response_that_closed_it(
        self, tps: Caller, batch: Batch, level: str, status: str
    ) -> None:
        session, _ = answered(tps, batch.card(), batch, level, [get_data(0x9F7F)])

        _, responses, closed = unwrap(tps, session, [bytes.fromhex(status)])

        assert responses == [{"response": status, "protected": False}]
        assert closed is True

    @pytest.mark.parametrize("status", CLOSING)
    def test_serves_nothing_any_more(self, tps: Caller, status: str) -> None:
        session, _ = answered(tps, AES128.card(), AES128, "03", [get_data(0x9F7F)])
        closed, _, _ = unwrap(tps, session, [bytes.fromhex(status)])

        for path, request in requests(closed):
            refused = tps.post(path, request)
            assert (refused.status, refused.code) == (409, "session-closed")
            assert refused.pointer == "/session"
            assert refused.document["next"] == "reopen-channel"

    def test_takes_no_further_response_of_the_same_body(self, tps: Caller) -> None:
        session, _ = answered(tps, AES128.card(), AES128, "03", [get_data(0x9F7F)] * 2)

        refused = tps.post(UNWRAP, body(session, [bytes.fromhex("6982"), OK]))

        assert (refused.code, refused.pointer) == ("session-closed", "/responses/1")

    def test_is_what_a_replayed_command_ends_in(self, tps: Caller) -> None:
        card = AES128.card()
        opened = open_channel(tps, AES128, card, "11")
        session, (command, _) = wrap(tps, opened, [get_data(0x9F7F)] * 2)

        sent = [card.transmit(command), card.transmit(command)]
        _, responses, closed = unwrap(tps, session, sent)

        assert [each["protected"] for each in responses] == [True, False]
        assert responses[1]["response"] in CLOSING
        assert closed is True


class TestASession:
    def test_of_another_caller_is_refused_by_every_call(self, tps: Caller, branch: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())

        for path, request in requests(session):
            refused = branch.post(path, request)
            assert (refused.status, refused.code) == (403, "session-foreign")
            assert refused.pointer == "/session"

    def test_that_was_altered_is_refused_by_every_call(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())
        other = "A" if session[40] != "A" else "B"

        for path, request in requests(session[:40] + other + session[41:]):
            refused = tps.post(path, request)
            assert (refused.status, refused.code) == (422, "session-invalid")
            assert refused.pointer == "/session"
