"""Protecting commands: POST /v1/tks/sessions/wrap."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pcsc.apdu import StatusWord
from tests.site.batches import AES128, DES_VISA2, SERVED, Batch
from tests.site.caller import Caller
from tests.site.channels import (
    OK,
    SESSIONS,
    WRAP,
    get_data,
    open_channel,
    presented,
    session_request,
    store_data,
    wrap,
)
from tests.site.fixtures import RunningSite
from tests.site.identities import DESK

each_batch = pytest.mark.parametrize("batch", SERVED, ids=lambda batch: batch.key_set)
each_level = pytest.mark.parametrize("level", ["01", "03"])
over_the_site = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

CASE_1 = "80ca9f7f"  # GET DATA without Le: virtual and real cards answer it all the same
CASE_4 = "80f28002024f0000"  # GET STATUS of the issuer security domain
STORED = 0xDF20  # BER-TLV spells tag numbers below 31 in one byte
REFUSED = {
    bytes.fromhex(f"{word:04x}")
    for word in (
        StatusWord.SECURITY_STATUS_NOT_SATISFIED,
        StatusWord.SECURE_MESSAGING_INCORRECT,
    )
}


@each_level
@each_batch
def test_the_card_accepts_commands_of_every_case_and_has_what_was_stored(
    tps: Caller, batch: Batch, level: str
) -> None:
    card = batch.card()
    value = os.urandom(20)
    session = open_channel(tps, batch, card, level)

    _, commands = wrap(tps, session, [store_data(STORED, value), CASE_1, get_data(STORED), CASE_4])
    stored, production_data, read_back, status = [card.transmit(apdu) for apdu in commands]

    assert stored == OK
    assert production_data == bytes.fromhex("9f7f2a") + card.profile.production_data + OK
    assert read_back == STORED.to_bytes(2) + bytes([len(value)]) + value + OK
    assert status.startswith(b"\xe3")
    assert status.endswith(OK)


@each_batch
def test_what_is_stored_cannot_be_read_on_its_way_under_c_enc(tps: Caller, batch: Batch) -> None:
    value = os.urandom(20)

    for level, in_the_clear in (("01", True), ("03", False)):
        session = open_channel(tps, batch, batch.card(), level)
        _, (command,) = wrap(tps, session, [store_data(STORED, value)])
        assert (value in command) is in_the_clear


@each_batch
def test_commands_may_come_one_by_one_or_together(tps: Caller, batch: Batch) -> None:
    commands = [store_data(STORED, b"one"), store_data(STORED, b"two"), get_data(STORED)]
    session = open_channel(tps, batch, batch.card())

    after, together = wrap(tps, session, commands)
    one_by_one = []
    for command in commands:
        session, wrapped = wrap(tps, session, [command])
        one_by_one += wrapped

    assert one_by_one == together
    assert session == after


def test_the_same_body_gives_the_same_answer(tps: Caller) -> None:
    session = open_channel(tps, AES128, AES128.card())
    body = {"session": session, "apdus": [store_data(STORED, b"value"), get_data(STORED)]}

    first, second = tps.post(WRAP, body), tps.post(WRAP, body)

    assert first.content == second.content


@each_batch
def test_the_card_refuses_one_of_two_forks_of_a_session(tps: Caller, batch: Batch) -> None:
    card = batch.card()
    session = open_channel(tps, batch, card)
    _, (one,) = wrap(tps, session, [store_data(STORED, b"one")])
    _, (other,) = wrap(tps, session, [store_data(STORED, b"other")])

    assert card.transmit(one) == OK
    assert card.transmit(other) in REFUSED


@pytest.mark.parametrize("batch", [AES128, DES_VISA2], ids=lambda batch: batch.key_set)
def test_64_commands_are_protected_at_once_and_no_more(tps: Caller, batch: Batch) -> None:
    card = batch.card()
    session = open_channel(tps, batch, card)
    commands = [store_data(STORED + number, bytes([number])) for number in range(64)]

    after, wrapped = wrap(tps, session, commands)

    assert [card.transmit(apdu) for apdu in wrapped] == [OK] * 64
    _, (read_back,) = wrap(tps, after, [get_data(STORED + 63)])
    assert card.transmit(read_back) == bytes.fromhex("df5f013f") + OK
    refused = tps.post(WRAP, {"session": session, "apdus": [*commands, commands[0]]})
    assert (refused.code, refused.pointer) == ("request-invalid", "/apdus")


def test_at_least_one_command_is_needed(tps: Caller) -> None:
    session = open_channel(tps, AES128, AES128.card())

    refused = tps.post(WRAP, {"session": session, "apdus": []})

    assert (refused.code, refused.pointer) == ("request-invalid", "/apdus")


class TestACommand:
    @pytest.mark.parametrize(
        ("batch", "level", "longest"),
        [(AES128, "01", 247), (AES128, "03", 239), (DES_VISA2, "01", 247), (DES_VISA2, "03", 239)],
    )
    def test_must_fit_a_short_apdu_with_its_protection(
        self, tps: Caller, batch: Batch, level: str, longest: int
    ) -> None:
        session = open_channel(tps, batch, batch.card(), level)
        fits = f"80e29000{longest:02x}" + "00" * longest
        too_long = f"80e29000{longest + 1:02x}" + "00" * (longest + 1)

        _, (wrapped,) = wrap(tps, session, [fits])
        refused = tps.post(WRAP, {"session": session, "apdus": [fits, too_long]})

        assert len(wrapped) <= 5 + 255
        assert (refused.status, refused.code) == (422, "apdu-too-long")
        assert refused.pointer == "/apdus/1"

    @pytest.mark.parametrize(
        "command",
        [
            "80e2900000",  # this is case 2, and serves as the measure
            "80e290000200",
            "80e29000020000000000",
            "80e290000000010000",
            "84e290000100",
            "c0e290000100",
            "40ca9f7f00",
        ],
    )
    def test_must_be_a_plain_short_apdu(self, tps: Caller, command: str) -> None:
        session = open_channel(tps, AES128, AES128.card())

        answer = tps.post(WRAP, {"session": session, "apdus": [get_data(STORED), command]})

        if command == "80e2900000":
            assert answer.status == 200
        else:
            assert (answer.code, answer.pointer) == ("apdu-invalid", "/apdus/1")

    @pytest.mark.parametrize("cla", [0x00, 0x04, 0x80, 0x81, 0x83, 0x84, 0x8C, 0xC0, 0xE0, 0xFF])
    @pytest.mark.parametrize("rest", ["d80181", "d8018100", "d80181020102", "d8018102010200"])
    def test_that_puts_a_key_is_refused_whatever_its_class_and_case(
        self, tps: Caller, put_key_session: str, cla: int, rest: str
    ) -> None:
        apdus = [get_data(STORED), f"{cla:02x}{rest}"]

        refused = tps.post(WRAP, {"session": put_key_session, "apdus": apdus})

        assert (refused.status, refused.code) == (403, "command-not-allowed")
        assert refused.pointer == "/apdus/1"
        assert "only put-key makes such a command" in refused.detail

    @pytest.mark.parametrize("cla", [0x00, 0x80, 0x81, 0xC0])
    @pytest.mark.parametrize("p1", [0x20, 0x40, 0x60, 0x70, 0xA0, 0xC0, 0xE0, 0xF8])
    def test_that_stores_encrypted_data_is_refused_as_that_is_how_key_groups_travel(
        self, tps: Caller, put_key_session: str, cla: int, p1: int
    ) -> None:
        command = f"{cla:02x}e2{p1:02x}00020102"

        refused = tps.post(WRAP, {"session": put_key_session, "apdus": [command]})

        assert (refused.status, refused.code) == (403, "command-not-allowed")
        assert refused.pointer == "/apdus/0"

    @pytest.mark.parametrize("p1", [0x00, 0x10, 0x80, 0x90, 0x98])
    def test_that_stores_plain_data_is_not(
        self, tps: Caller, put_key_session: str, p1: int
    ) -> None:
        _, (wrapped,) = wrap(tps, put_key_session, [f"80e2{p1:02x}00020102"])

        assert wrapped[1:4] == bytes([0xE2, p1, 0x00])


@pytest.fixture
def put_key_session(tps: Caller) -> str:
    """A session with a card that has not been spoken to."""
    return open_channel(tps, AES128, AES128.card())


class TestACallersCommands:
    @pytest.fixture
    def desk(self, site: RunningSite) -> Iterator[Caller]:
        """A caller that may send STORE DATA and nothing else."""
        with site.caller(DESK) as caller:
            yield caller

    def test_are_wrapped(self, desk: Caller) -> None:
        card = AES128.card()

        _, (command,) = wrap(desk, open_channel(desk, AES128, card), [store_data(STORED, b"value")])

        assert card.transmit(command) == OK

    @pytest.mark.parametrize("command", [get_data(STORED), CASE_1, CASE_4, "0020000003313233"])
    def test_are_all_that_is_wrapped(self, desk: Caller, command: str) -> None:
        session = open_channel(desk, AES128, AES128.card())
        apdus = [store_data(STORED, b"value"), command]

        refused = desk.post(WRAP, {"session": session, "apdus": apdus})

        assert (refused.status, refused.code) == (403, "command-not-allowed")
        assert refused.pointer == "/apdus/1"
        assert refused.detail == f"desk may not send INS {command[2:4]}"
        assert refused.document["next"] == "call-officer"

    @pytest.mark.parametrize("command", ["80d8018100", "80e2e00001ff"])
    def test_have_no_key_among_them(self, desk: Caller, command: str) -> None:
        session = open_channel(desk, AES128, AES128.card())

        refused = desk.post(WRAP, {"session": session, "apdus": [command]})

        assert refused.code == "command-not-allowed"
        assert "only put-key makes such a command" in refused.detail


class TestAllOrNothing:
    def test_one_bad_command_stops_all_and_is_pointed_at(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())
        good = get_data(STORED)

        for index in range(3):
            apdus = [good, good, good]
            apdus[index] = "80d8000000"
            refused = tps.post(WRAP, {"session": session, "apdus": apdus})
            assert refused.pointer == f"/apdus/{index}"
            assert not {"apdus", "session"} & refused.document.keys()

    def test_the_session_before_a_refusal_is_still_good(self, tps: Caller) -> None:
        card = AES128.card()
        session = open_channel(tps, AES128, card)
        assert tps.post(WRAP, {"session": session, "apdus": ["80d8000000"]}).status == 403

        _, (command,) = wrap(tps, session, [store_data(STORED, b"value")])

        assert card.transmit(command) == OK


class TestASession:
    def test_of_another_caller_is_refused(self, tps: Caller, branch: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())

        refused = branch.post(WRAP, {"session": session, "apdus": [CASE_1]})

        assert (refused.status, refused.code) == (403, "session-foreign")
        assert refused.pointer == "/session"

    @over_the_site
    @given(place=st.integers(min_value=0, max_value=2**16), other=st.sampled_from("A-_9z"))
    def test_that_was_altered_is_refused(self, tps: Caller, place: int, other: str) -> None:
        session = open_channel(tps, AES128, AES128.card())
        index = place % (len(session) - 1)
        altered = session[:index] + other + session[index + 1 :]

        answer = tps.post(WRAP, {"session": altered, "apdus": [CASE_1]})

        if altered != session:
            assert (answer.status, answer.code) == (422, "session-invalid")
            assert answer.pointer == "/session"

    @over_the_site
    @given(session=st.text("ABCxyz019-_", min_size=2, max_size=682))
    def test_that_was_never_made_is_refused(self, tps: Caller, session: str) -> None:
        refused = tps.post(WRAP, {"session": session, "apdus": [CASE_1]})

        assert refused.pointer == "/session"
        assert refused.code in ("session-invalid", "request-invalid")

    def test_cut_off_anywhere_is_refused(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())

        for length in range(4, len(session), 8):
            refused = tps.post(WRAP, {"session": session[:length], "apdus": [CASE_1]})
            assert refused.pointer == "/session"

    def test_is_not_a_ticket_and_a_ticket_is_not_a_session(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())
        card = presented(tps, AES128, AES128.card())

        as_session = tps.post(WRAP, {"session": card["challenge"], "apdus": [CASE_1]})
        as_ticket = tps.post(SESSIONS, session_request(card | {"challenge": session}))

        assert as_session.code == "session-invalid"
        assert as_ticket.code == "challenge-not-issued"
