"""What the card says to its new keys: POST /v1/tks/sessions/put-key/confirm."""

from collections.abc import Callable

import pytest

from tests.pcsc.vpcd import TornOut
from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.changeovers import DES_OPEN, FRESH_SCP03, ROTATING
from tests.site.channels import (
    CONFIRM,
    OK,
    UNWRAP,
    confirm,
    get_data,
    open_channel,
    put_key,
    unwrap,
    wrap,
)
from tests.site.fixtures import RunningSite
from tests.virtual_token.faults import PowerLossMemory
from tmsd.audit.record import Outcome


def answered(caller: Caller, level: str = "01") -> tuple[str, bytes]:
    """Change a card over; return the session that waits, and the card's answer."""
    card = ROTATING.card()
    made = put_key(caller, open_channel(caller, ROTATING, card, level), ROTATING, 2).document
    return made["session"], card.transmit(bytes.fromhex(made["apdu"]))


@pytest.mark.parametrize("level", ["01", "03", "11", "13", "33"])
def test_the_right_answer_confirms(tps: Caller, level: str) -> None:
    session, answer = answered(tps, level)

    confirmed = confirm(tps, session, answer)

    assert confirmed.status == 200
    assert confirmed.document["new_key_version"] == 2


def test_the_same_body_gives_the_same_answer(tps: Caller) -> None:
    session, answer = answered(tps, "33")

    first, second = (confirm(tps, session, answer) for _ in range(2))

    assert first.status == 200
    assert first.content == second.content


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda answer: b"\x03" + answer[1:], id="another version"),
        pytest.param(
            lambda answer: answer[:1] + bytes([answer[1] ^ 1]) + answer[2:],
            id="another check value of ENC",
        ),
        pytest.param(
            lambda answer: answer[:9] + bytes([answer[9] ^ 0x80]) + answer[10:],
            id="another check value of DEK",
        ),
        pytest.param(
            lambda answer: answer[:1] + answer[4:7] + answer[1:4] + answer[7:],
            id="check values in another order",
        ),
        pytest.param(lambda answer: answer[:-3] + answer[-2:], id="a byte short"),
        pytest.param(lambda answer: answer[:-2] + b"\x00" + answer[-2:], id="a byte too many"),
        pytest.param(lambda _answer: OK, id="nothing but 9000"),
        pytest.param(lambda _answer: bytes.fromhex("6a80"), id="6a80"),
        pytest.param(lambda _answer: bytes.fromhex("6a88"), id="6a88"),
        pytest.param(lambda _answer: bytes.fromhex("6581"), id="6581"),
        pytest.param(lambda _answer: bytes.fromhex("6982"), id="6982"),
        pytest.param(lambda answer: answer[:-2] + bytes.fromhex("6310"), id="a warning"),
    ],
)
def test_any_other_answer_does_not(
    site: RunningSite, tps: Caller, alter: Callable[[bytes], bytes]
) -> None:
    session, answer = answered(tps)

    refused = confirm(tps, session, alter(answer))

    assert (refused.status, refused.code) == (409, "put-key-unconfirmed")
    assert refused.pointer == "/response"
    assert refused.document["next"] == "reopen-channel"
    (record,) = site.trail.of_request(refused.request_id)
    assert record.decision.operation == "tks.confirm-put-key"
    assert record.decision.outcome is Outcome.REFUSED


def test_a_detail_says_what_would_have_been_right(tps: Caller) -> None:
    session, answer = answered(tps)

    detail = confirm(tps, session, b"\x03" + answer[1:]).detail

    assert f"where {answer[:-2].hex()} is right" in detail
    assert "INITIALIZE UPDATE will tell which keys it holds" in detail


@pytest.mark.parametrize("level", ["11", "33"])
def test_a_wrong_r_mac_closes_the_channel_whatever_the_answer_says(tps: Caller, level: str) -> None:
    session, answer = answered(tps, level)
    altered = answer[:-3] + bytes([answer[-3] ^ 1]) + answer[-2:]

    refused = confirm(tps, session, altered)

    assert (refused.status, refused.code) == (409, "session-closed")
    assert refused.pointer == "/response"


def test_an_error_without_r_mac_confirms_nothing(tps: Caller) -> None:
    session, _ = answered(tps, "11")

    refused = confirm(tps, session, bytes.fromhex("6a80"))

    assert refused.code == "put-key-unconfirmed"
    assert "the card answered 6a80; it holds the keys that it had" in refused.detail


class TestASession:
    def test_that_no_put_key_was_made_of_has_nothing_to_confirm(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())

        refused = confirm(tps, session, OK)

        assert (refused.status, refused.code) == (422, "session-invalid")
        assert refused.pointer == "/session"

    def test_has_nothing_to_confirm_twice(self, tps: Caller) -> None:
        session, answer = answered(tps)
        after = confirm(tps, session, answer).document["session"]

        assert confirm(tps, after, answer).code == "session-invalid"

    def test_that_waits_for_confirmation_unwraps_nothing_else(self, tps: Caller) -> None:
        session, answer = answered(tps, "11")

        refused = tps.post(UNWRAP, {"session": session, "responses": [answer.hex()]})

        assert (refused.code, refused.pointer) == ("request-invalid", "/session")
        assert "confirm it" in refused.detail
        assert confirm(tps, session, answer).status == 200

    def test_has_the_responses_to_later_commands_after_it(self, tps: Caller) -> None:
        card = ROTATING.card()
        made = put_key(tps, open_channel(tps, ROTATING, card, "33"), ROTATING, 2).document
        session, (command,) = wrap(tps, made["session"], [get_data(0x9F7F)])
        answer = card.transmit(bytes.fromhex(made["apdu"]))
        later = card.transmit(command)

        confirmed = confirm(tps, session, answer).document
        _, (response,), _ = unwrap(tps, confirmed["session"], [later])

        assert response["protected"] is True


@pytest.mark.parametrize(
    ("field", "value"), [("response", "90"), ("response", "00" * 275), ("new_key_version", 2)]
)
def test_a_faulty_field_is_pointed_at(tps: Caller, field: str, value: object) -> None:
    session, answer = answered(tps)

    refused = tps.post(CONFIRM, {"session": session, "response": answer.hex()} | {field: value})

    assert (refused.code, refused.pointer) == ("request-invalid", f"/{field}")


def test_the_record_says_which_card_confirmed_which_version(site: RunningSite, tps: Caller) -> None:
    card = DES_OPEN.card()
    made = put_key(tps, open_channel(tps, DES_OPEN, card), DES_OPEN, 2).document
    confirmed = confirm(tps, made["session"], card.transmit(bytes.fromhex(made["apdu"])))

    (record,) = site.trail.of_request(confirmed.request_id)

    assert record.decision.operation == "tks.confirm-put-key"
    assert record.decision.key_set == "des-open"
    assert record.decision.key_version == 1
    assert record.decision.diversification_data == card.profile.kdd.hex()
    assert record.decision.details == {"new_key_version": 2, "protected": False}


class TestALostAnswer:
    @pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
    def test_is_decided_by_the_next_initialize_update(self, tps: Caller, stored: bool) -> None:
        card = FRESH_SCP03.card(PowerLossMemory(after_storing=stored))
        made = put_key(tps, open_channel(tps, FRESH_SCP03, card), ROTATING, 1, "add").document
        with pytest.raises(TornOut):
            card.transmit(bytes.fromhex(made["apdu"]))
        card.reset()

        if not stored:
            made = put_key(tps, open_channel(tps, FRESH_SCP03, card), ROTATING, 1, "add").document
            answer = card.transmit(bytes.fromhex(made["apdu"]))
            assert confirm(tps, made["session"], answer).status == 200

        assert open_channel(tps, ROTATING, card, key_version=1)

    def test_is_not_found_by_sending_the_command_again(self, tps: Caller) -> None:
        card = ROTATING.card()
        made = put_key(tps, open_channel(tps, ROTATING, card), ROTATING, 2).document
        command = bytes.fromhex(made["apdu"])
        assert card.transmit(command).endswith(OK)

        assert card.transmit(command) in (bytes.fromhex("6982"), bytes.fromhex("6988"))
