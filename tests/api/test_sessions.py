"""Opening secure channels: POST /v1/tks/sessions."""

import os
from dataclasses import replace

import pytest

from tests.site.batches import (
    ABSENT,
    AES128,
    AES192,
    AES_S16,
    AES_SHARED,
    AWAITED,
    BATCHES,
    BY_CUID,
    DES_R_MAC,
    DES_VISA2,
    ENCRYPTED,
    FACTORY_SCP02,
    OWN_CHALLENGE,
    PUBLISHED_SCP03,
    ROTATED,
    SCP01,
    SERVED,
    Batch,
)
from tests.site.caller import Caller
from tests.site.channels import (
    OK,
    SESSIONS,
    initialize_update,
    issued_challenge,
    open_channel,
    presented,
    session_request,
)
from tests.site.fixtures import RunningSite
from tests.vectors import Vector, read

each_batch = pytest.mark.parametrize("batch", SERVED, ids=lambda batch: batch.key_set)
each_level = pytest.mark.parametrize("level", ["01", "03"])


def published(file: str, batch: Batch) -> list[Vector]:
    """Return the published traces whose cards held one key three times: the batch's."""
    key = batch.master.hex()
    return [
        trace
        for trace in read(file)
        if trace["enc"] == trace["mac"] == key and trace["security_level"] in ("01", "03")
    ]


TRACES = [
    *((FACTORY_SCP02, trace) for trace in published("scp02_traces.json", FACTORY_SCP02)),
    *((PUBLISHED_SCP03, trace) for trace in published("scp03_traces.json", PUBLISHED_SCP03)),
]


@each_level
@each_batch
def test_a_genuine_card_accepts_the_host(tps: Caller, batch: Batch, level: str) -> None:
    card = batch.card()
    body = session_request(presented(tps, batch, card), level)

    opened = tps.post(SESSIONS, body)

    assert opened.status == 200
    answer = opened.document
    assert answer["scp"] == f"{batch.scp:02x}"
    assert answer["i"] == f"{batch.i:02x}"
    assert answer["key_set"] == batch.key_set
    assert answer["key_version"] == batch.key_version
    assert answer["host_cryptogram"] in answer["external_authenticate"]
    assert card.transmit(bytes.fromhex(answer["external_authenticate"])) == OK


@pytest.mark.parametrize(("batch", "trace"), TRACES, ids=[trace["id"] for _, trace in TRACES])
def test_a_published_trace_is_repeated_byte_for_byte(
    tps: Caller, batch: Batch, trace: Vector
) -> None:
    card = {
        "initialize_update": trace["initialize_update"],
        "host_challenge": trace["host_challenge"],
        "key_set": batch.key_set,
    }

    opened = tps.post(SESSIONS, session_request(card, trace["security_level"])).document

    assert opened["external_authenticate"] == trace["external_authenticate"]
    if trace["steps"]:
        commands = [step["plain"] for step in trace["steps"]]
        wrapped = tps.post(f"{SESSIONS}/wrap", {"session": opened["session"], "apdus": commands})
        assert wrapped.document["apdus"] == [step["wrapped"] for step in trace["steps"]]


def test_there_are_published_traces_for_both_protocols() -> None:
    assert {batch.scp for batch, _ in TRACES} == {0x02, 0x03}


def test_the_status_word_after_initialize_update_may_be_left_out(tps: Caller) -> None:
    card = presented(tps, AES128, AES128.card())
    card["initialize_update"] = card["initialize_update"].removesuffix("9000")

    assert tps.post(SESSIONS, session_request(card)).status == 200


def test_every_channel_gets_a_session_of_its_own(tps: Caller) -> None:
    card = AES128.card()

    assert open_channel(tps, AES128, card) != open_channel(tps, AES128, card)


def test_a_card_with_the_active_version_is_served_and_one_with_the_retired_version_is_not(
    tps: Caller,
) -> None:
    assert open_channel(tps, ROTATED, ROTATED.card())

    retired = replace(ROTATED, key_version=1)
    refused = tps.post(SESSIONS, session_request(presented(tps, retired, retired.card())))

    assert (refused.code, refused.pointer) == ("key-version-retired", "/card/initialize_update")
    assert "version 1 of key set rotated" in refused.detail


def test_a_version_that_the_key_set_does_not_have_is_refused(tps: Caller) -> None:
    other = replace(AES128, key_version=9)

    refused = tps.post(SESSIONS, session_request(presented(tps, other, other.card())))

    assert (refused.code, refused.pointer) == ("key-version-unknown", "/card/initialize_update")


def test_a_key_set_whose_key_the_hsm_lacks_is_named(tps: Caller) -> None:
    refused = tps.post(SESSIONS, session_request(presented(tps, ABSENT, ABSENT.card())))

    assert refused.code == "key-missing"
    assert refused.document["next"] == "call-officer"
    assert "version 1 of key set absent" in refused.detail


def test_a_key_that_is_imported_while_the_daemon_runs_is_found(
    site: RunningSite, tps: Caller
) -> None:
    card = AWAITED.card()
    before = tps.post(SESSIONS, session_request(presented(tps, AWAITED, card)))
    site.site.import_master_key(AWAITED, 1)

    after = tps.post(SESSIONS, session_request(presented(tps, AWAITED, card)))

    assert before.code == "key-missing"
    assert after.status == 200
    assert card.transmit(bytes.fromhex(after.document["external_authenticate"])) == OK


class TestTheCard:
    def test_that_does_not_hold_the_keys_is_refused(self, tps: Caller) -> None:
        forged = replace(AES128, master=bytes(16))

        refused = tps.post(SESSIONS, session_request(presented(tps, forged, forged.card())))

        assert (refused.status, refused.code) == (422, "card-cryptogram-mismatch")
        assert refused.document["next"] == "refuse-card"

    @each_batch
    def test_that_answered_to_another_challenge_is_refused(self, tps: Caller, batch: Batch) -> None:
        card = presented(tps, batch, batch.card())
        card["challenge"] = issued_challenge(tps, batch.challenge_length)["challenge"]

        refused = tps.post(SESSIONS, session_request(card))

        assert refused.code == "card-cryptogram-mismatch"

    @each_batch
    def test_whose_answer_has_one_wrong_bit_is_refused(self, tps: Caller, batch: Batch) -> None:
        card = presented(tps, batch, batch.card())
        answer = bytearray.fromhex(card["initialize_update"])
        answer[20] ^= 0x01
        card["initialize_update"] = answer.hex()

        refused = tps.post(SESSIONS, session_request(card))

        assert refused.code == "card-cryptogram-mismatch"

    def test_is_told_apart_by_its_cuid_where_the_key_set_says_so(self, tps: Caller) -> None:
        cuid = os.urandom(10)
        card = BY_CUID.card_by_cuid(cuid)
        body = session_request(presented(tps, BY_CUID, card) | {"cuid": cuid.hex()})

        opened = tps.post(SESSIONS, body).document

        assert card.transmit(bytes.fromhex(opened["external_authenticate"])) == OK

    def test_needs_its_cuid_sent_where_the_key_set_goes_by_it(self, tps: Caller) -> None:
        card = BY_CUID.card_by_cuid(os.urandom(10))

        refused = tps.post(SESSIONS, session_request(presented(tps, BY_CUID, card)))

        assert (refused.code, refused.pointer) == ("request-invalid", "/card/cuid")

    def test_is_not_believed_to_have_another_cuid(self, tps: Caller) -> None:
        card = BY_CUID.card_by_cuid(os.urandom(10))
        body = presented(tps, BY_CUID, card) | {"cuid": os.urandom(10).hex()}

        assert tps.post(SESSIONS, session_request(body)).code == "card-cryptogram-mismatch"


class TestTheProtocol:
    def test_must_be_that_of_the_key_set(self, tps: Caller) -> None:
        card = presented(tps, DES_VISA2, DES_VISA2.card()) | {"key_set": AES128.key_set}

        refused = tps.post(SESSIONS, session_request(card))

        assert (refused.code, refused.pointer) == ("protocol-mismatch", "/card/initialize_update")
        assert "SCP02" in refused.detail
        assert "SCP03" in refused.detail

    def test_must_have_an_implementation_that_the_key_set_accepts(self, tps: Caller) -> None:
        other = replace(AES192, i=0x20)

        refused = tps.post(SESSIONS, session_request(presented(tps, other, other.card())))

        assert refused.code == "protocol-mismatch"
        assert refused.detail == "i=20; key set aes192 accepts 00"

    def test_is_the_cards_word_against_the_callers(self, tps: Caller) -> None:
        card = presented(tps, AES128, AES128.card()) | {"scp_i": "00"}

        refused = tps.post(SESSIONS, session_request(card))

        assert (refused.code, refused.pointer) == ("protocol-mismatch", "/card/scp_i")

    def test_may_be_named_by_the_caller_where_the_card_does_not_tell(self, tps: Caller) -> None:
        right = presented(tps, DES_VISA2, DES_VISA2.card()) | {"scp_i": "15"}
        wrong = presented(tps, DES_VISA2, DES_VISA2.card()) | {"scp_i": "55"}

        assert tps.post(SESSIONS, session_request(right)).status == 200
        assert tps.post(SESSIONS, session_request(wrong)).code == "protocol-mismatch"

    @pytest.mark.parametrize("scp", [0x00, 0x04, 0x11, 0xFF])
    def test_must_be_one_that_is_served(self, tps: Caller, scp: int) -> None:
        card = presented(tps, AES128, AES128.card())
        answer = bytearray.fromhex(card["initialize_update"])
        answer[11] = scp
        card["initialize_update"] = answer.hex()

        refused = tps.post(SESSIONS, session_request(card))

        assert (refused.code, refused.pointer) == ("protocol-mismatch", "/card/initialize_update")

    @pytest.mark.parametrize(
        ("batch", "issued", "taken"), [(AES128, 16, 8), (DES_VISA2, 16, 8), (AES_S16, 8, 16)]
    )
    def test_takes_challenges_of_one_length(
        self, tps: Caller, batch: Batch, issued: int, taken: int
    ) -> None:
        answer = initialize_update(batch.card(), bytes(batch.challenge_length))
        card = {
            "initialize_update": answer.hex(),
            "challenge": issued_challenge(tps, issued)["challenge"],
            "key_set": batch.key_set,
        }

        refused = tps.post(SESSIONS, session_request(card))

        assert (refused.code, refused.pointer) == ("protocol-mismatch", "/card")
        assert f"has {issued} bytes; the card's protocol takes {taken}" in refused.detail

    def test_with_challenges_of_16_bytes_has_cryptograms_of_16(self, tps: Caller) -> None:
        card = AES_S16.card()

        opened = tps.post(SESSIONS, session_request(presented(tps, AES_S16, card))).document

        assert len(bytes.fromhex(opened["host_cryptogram"])) == 16
        assert len(bytes.fromhex(opened["external_authenticate"])) == 5 + 16 + 16


class TestTheSecurityLevel:
    @pytest.mark.parametrize("level", ["00", "02", "10", "23", "30", "31", "80", "ff"])
    def test_must_be_one_that_is_served(self, tps: Caller, level: str) -> None:
        card = presented(tps, AES128, AES128.card())

        refused = tps.post(SESSIONS, session_request(card, level))

        assert (refused.code, refused.pointer) == ("level-not-supported", "/security_level")
        assert refused.detail.endswith("is served at 01, 03, 11, 13, 33 with i=70")

    @pytest.mark.parametrize(
        ("batch", "level", "served"),
        [
            (AES192, "11", "01, 03"),
            (AES_SHARED, "33", "01, 03, 11, 13"),
            (DES_VISA2, "11", "01, 03"),
            (DES_R_MAC, "33", "01, 03, 11, 13"),
            (SCP01, "13", "01, 03"),
        ],
    )
    def test_must_be_one_that_the_implementation_has(
        self, tps: Caller, batch: Batch, level: str, served: str
    ) -> None:
        refused = tps.post(SESSIONS, session_request(presented(tps, batch, batch.card()), level))

        assert (refused.code, refused.pointer) == ("level-not-supported", "/security_level")
        assert refused.detail.endswith(f"is served at {served} with i={batch.i:02x}")

    def test_may_not_be_below_the_least_of_the_key_set(self, tps: Caller) -> None:
        card = ENCRYPTED.card()

        refused = tps.post(SESSIONS, session_request(presented(tps, ENCRYPTED, card), "01"))

        assert (refused.code, refused.pointer) == ("level-not-supported", "/security_level")
        assert open_channel(tps, ENCRYPTED, card, "03")


class TestTheKeySet:
    def test_need_not_be_named_where_one_fits(self, branch: Caller) -> None:
        card = presented(branch, AES128, AES128.card())
        del card["key_set"]

        assert branch.post(SESSIONS, session_request(card)).document["key_set"] == "aes128"

    def test_must_be_named_where_several_fit(self, tps: Caller) -> None:
        card = presented(tps, AES128, AES128.card())
        del card["key_set"]

        refused = tps.post(SESSIONS, session_request(card))

        assert (refused.status, refused.code) == (409, "key-set-ambiguous")
        assert refused.pointer == "/card/key_set"
        assert "aes128" in refused.detail
        assert "aes-shared" not in refused.detail, "its i is another"

    def test_must_be_named_where_none_fits(self, branch: Caller) -> None:
        card = presented(branch, DES_VISA2, DES_VISA2.card())
        del card["key_set"]

        refused = branch.post(SESSIONS, session_request(card))

        assert refused.code == "key-set-ambiguous"
        assert "fits none of your key sets" in refused.detail

    def test_that_is_not_in_the_policy_is_unknown(self, tps: Caller) -> None:
        card = presented(tps, AES128, AES128.card()) | {"key_set": "no-such-set"}

        refused = tps.post(SESSIONS, session_request(card))

        assert (refused.code, refused.pointer) == ("key-set-unknown", "/card/key_set")

    def test_of_others_is_as_unknown_as_one_that_does_not_exist(self, branch: Caller) -> None:
        details = []
        for name in (AES192.key_set, "no-such-set"):
            card = presented(branch, AES128, AES128.card()) | {"key_set": name}
            refused = branch.post(SESSIONS, session_request(card))
            assert refused.code == "key-set-unknown"
            details.append(refused.detail.replace(name, "…"))

        assert details[0] == details[1]

    def test_refusals_name_no_key_set_of_others(self, branch: Caller) -> None:
        foreign = {batch.key_set for batch in BATCHES} - {AES128.key_set, AES_SHARED.key_set}
        card = presented(branch, DES_VISA2, DES_VISA2.card())
        del card["key_set"]

        refused = branch.post(SESSIONS, session_request(card))

        assert not [name for name in foreign if name in refused.detail]


def test_a_host_challenge_of_ones_own_serves_where_the_key_set_allows_it(tps: Caller) -> None:
    card = OWN_CHALLENGE.card()
    challenge = os.urandom(8)
    body = {
        "initialize_update": initialize_update(card, challenge).hex(),
        "host_challenge": challenge.hex(),
        "key_set": OWN_CHALLENGE.key_set,
    }

    opened = tps.post(SESSIONS, session_request(body)).document

    assert card.transmit(bytes.fromhex(opened["external_authenticate"])) == OK
