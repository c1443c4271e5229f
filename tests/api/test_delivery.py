"""Session keys that leave under a transport key: POST /v1/tks/sessions, delivery transport."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.site.batches import (
    AES128,
    AES192,
    AES256,
    AES_S16,
    AES_SHARED,
    DES_R_MAC,
    DES_SHARED,
    DES_VISA2,
    SCP01,
    SCP01_HMAC,
    SERVED,
    Batch,
)
from tests.site.caller import Caller
from tests.site.channels import (
    OK,
    SESSIONS,
    WRAP,
    JsonObject,
    get_data,
    initialize_update,
    issued_challenge,
    session_request,
    store_data,
)
from tests.site.contract import Answer
from tests.site.fixtures import RunningSite
from tests.site.identities import CLOSED_OFFLINE, OFFLINE, OLD_OFFLINE, TPS
from tests.site.session_keys import Keys, on_the_card
from tests.site.transport_keys import AES_SHARED_KEY, DES_SHARED_KEY, SharedKey
from tests.virtual_token.card import Card
from tmsd.globalplatform import apdu
from tmsd.globalplatform import scp03 as host_scp03
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey

LEVELS = [
    *((batch, level) for batch in SERVED for level in ("01", "03")),
    (AES128, "11"),
    (AES128, "33"),
    (AES256, "13"),
    (AES_S16, "33"),
    (DES_R_MAC, "11"),
    (DES_R_MAC, "13"),
]


def named(value: object) -> str:
    return value.key_set if isinstance(value, Batch) else str(value)


def delivered(caller: Caller, batch: Batch, card: Card, level: str) -> tuple[Answer, bytes, bytes]:
    """Ask for session keys; return the answer, the host challenge, and the card's answer."""
    issued = issued_challenge(caller, batch.challenge_length)
    host_challenge = bytes.fromhex(issued["host_challenge"])
    answer = initialize_update(card, host_challenge)
    presented = {
        "initialize_update": answer.hex(),
        "challenge": issued["challenge"],
        "key_set": batch.key_set,
    }
    request = session_request(presented, level) | {"delivery": "transport"}
    return caller.post(SESSIONS, request), host_challenge, answer


def unwrapped(keys: Mapping[str, Any], shared: SharedKey) -> Keys:
    """Return the keys of a delivery as the caller has them; those that are null are left out."""
    wrapped = {name: keys[name] for name in ("enc", "mac", "rmac", "dek") if keys[name]}
    return {name: shared.unwrap(bytes.fromhex(value)) for name, value in wrapped.items()}


def expected_names(level: str) -> set[str]:
    """Return which session keys a channel needs."""
    number = int(level, 16)
    names = {"mac"}
    names |= {"enc"} if number & 0x22 else set()
    names |= {"rmac"} if number & 0x10 else set()
    return names


@pytest.fixture
def offline(site: RunningSite) -> Iterator[Caller]:
    """A caller that gets static DEKs, too, and no sealed session."""
    with site.caller(OFFLINE) as caller:
        yield caller


@pytest.mark.parametrize(("batch", "level"), LEVELS, ids=named)
def test_the_keys_are_those_that_the_card_derives(tps: Caller, batch: Batch, level: str) -> None:
    card = batch.card()

    answer, host_challenge, response = delivered(tps, batch, card, level)

    keys = answer.document["keys"]
    assert keys["transport_key"] == AES_SHARED_KEY.name
    assert keys["mechanism"] == "aes-key-wrap"
    derived = on_the_card(batch, card, host_challenge, response)
    names = expected_names(level)
    assert unwrapped(keys, AES_SHARED_KEY) == {name: derived[name] for name in names}


def test_the_answer_has_keys_in_place_of_a_session(tps: Caller) -> None:
    card = AES128.card()

    answer = delivered(tps, AES128, card, "03")[0].document

    assert answer["session"] is None
    assert answer["scp"] == "03"
    assert answer["key_set"] == "aes128"
    assert card.transmit(bytes.fromhex(answer["external_authenticate"])) == OK


def test_the_caller_goes_on_by_itself(tps: Caller) -> None:
    card = AES128.card()
    answer = delivered(tps, AES128, card, "33")[0].document
    keys = unwrapped(answer["keys"], AES_SHARED_KEY)
    mac, enc, rmac = (PlainKey(Algorithm.AES_128, keys[name]) for name in ("mac", "enc", "rmac"))
    session_keys = host_scp03.SessionKeys(mac, enc, rmac)
    cryptogram = bytes.fromhex(answer["host_cryptogram"])

    level = SecurityLevel(0x33)
    state, command = host_scp03.external_authenticate(session_keys, cryptogram, 0x70, level)
    assert command == apdu.parse(bytes.fromhex(answer["external_authenticate"]))
    assert card.transmit(bytes(command)) == OK
    for plain in (store_data(0xDF20, b"value"), get_data(0xDF20)):
        state, command = host_scp03.wrap(session_keys, state, apdu.parse(bytes.fromhex(plain)))
        state, response = host_scp03.unwrap(session_keys, state, card.transmit(bytes(command)))

    assert response.data == bytes.fromhex("df2005") + b"value"
    assert response.protected


class TestAStaticDek:
    @pytest.mark.parametrize("batch", [AES128, AES_SHARED, DES_VISA2, SCP01, SCP01_HMAC], ids=named)
    def test_stays_inside_unless_the_policy_says_that_it_may_leave(
        self, tps: Caller, batch: Batch
    ) -> None:
        answer, _, _ = delivered(tps, batch, batch.card(), "03")

        assert answer.document["keys"]["dek"] is None

    @pytest.mark.parametrize(
        "batch", [AES128, AES192, AES256, AES_S16, SCP01, SCP01_HMAC], ids=named
    )
    def test_is_delivered_where_it_does(self, offline: Caller, batch: Batch) -> None:
        card = batch.card()

        answer, host_challenge, response = delivered(offline, batch, card, "03")

        derived = on_the_card(batch, card, host_challenge, response)
        assert answer.status == 200, answer.document
        assert unwrapped(answer.document["keys"], AES_SHARED_KEY)["dek"] == derived["dek"]

    def test_that_all_cards_share_is_never_delivered(self, offline: Caller) -> None:
        answer, _, _ = delivered(offline, AES_SHARED, AES_SHARED.card(), "03")

        assert answer.document["keys"]["dek"] is None

    def test_is_none_in_scp02_whose_dek_is_a_session_key(self, offline: Caller) -> None:
        card = DES_SHARED.card()

        answer, host_challenge, response = delivered(offline, DES_SHARED, card, "03")

        derived = on_the_card(DES_SHARED, card, host_challenge, response)
        dek = unwrapped(answer.document["keys"], AES_SHARED_KEY)["dek"]
        assert dek == derived["dek"] != card.profile.dek


class TestUnderTripleDes:
    @pytest.mark.parametrize("batch", [DES_VISA2, SCP01_HMAC], ids=named)
    def test_keys_are_delivered_where_the_policy_has_the_exception(
        self, site: RunningSite, batch: Batch
    ) -> None:
        card = batch.card()
        with site.caller(OLD_OFFLINE) as old:
            answer, host_challenge, response = delivered(old, batch, card, "03")

        keys = answer.document["keys"]
        assert (keys["transport_key"], keys["mechanism"]) == ("tps-des", "des3-ecb")
        derived = on_the_card(batch, card, host_challenge, response)
        assert unwrapped(keys, DES_SHARED_KEY) == {
            name: derived[name] for name in ("enc", "mac", "dek")
        }

    def test_keys_are_not_delivered_without_it_and_the_setting_is_named(
        self, site: RunningSite
    ) -> None:
        with site.caller(CLOSED_OFFLINE) as closed:
            refused, _, _ = delivered(closed, DES_VISA2, DES_VISA2.card(), "03")

        assert (refused.status, refused.code) == (501, "mechanism-unavailable")
        assert "CKM_DES3_ECB" in refused.detail
        assert "transport_keys.tps-des-closed would have to say" in refused.detail
        assert refused.document["next"] == "call-officer"


class TestTheRecord:
    @pytest.mark.parametrize(
        ("caller", "batch", "in_worker"),
        [
            (TPS, AES128, False),
            (OFFLINE, SCP01, False),
            (OLD_OFFLINE, SCP01_HMAC, True),
            (OLD_OFFLINE, DES_VISA2, True),
            (TPS, SCP01_HMAC, True),
        ],
        ids=named,
    )
    def test_says_how_keys_left_and_whether_they_were_in_the_workers_memory(
        self, site: RunningSite, caller: str, batch: Batch, in_worker: bool
    ) -> None:
        with site.caller(caller) as somebody:
            answer, _, _ = delivered(somebody, batch, batch.card(), "03")

        (record,) = site.trail.of_request(answer.request_id)

        told = {"security_level": "03", "delivery": "transport"}
        exception = {"key_material_in_worker": True} if in_worker else {}
        assert record.decision.details == told | exception


class TestRefusals:
    def test_who_has_no_such_delivery_gets_no_keys(self, branch: Caller) -> None:
        refused, _, _ = delivered(branch, AES128, AES128.card(), "03")

        assert (refused.status, refused.code) == (403, "delivery-not-allowed")
        assert refused.pointer == "/delivery"
        assert refused.document["next"] == "call-officer"

    def test_who_has_no_other_delivery_gets_no_sealed_session(self, offline: Caller) -> None:
        for delivery in ({}, {"delivery": "sealed"}):
            request = self._request(offline) | delivery
            refused = offline.post(SESSIONS, request)
            assert (refused.code, refused.pointer) == ("delivery-not-allowed", "/delivery")

    def test_a_card_with_other_keys_gets_nobody_any(self, tps: Caller) -> None:
        forged = replace(AES128, master=bytes(16))

        refused, _, _ = delivered(tps, forged, forged.card(), "03")

        assert refused.code == "card-cryptogram-mismatch"
        assert "keys" not in refused.document

    def test_a_ticket_is_good_for_one_delivery(self, tps: Caller) -> None:
        request = self._request(tps) | {"delivery": "transport"}

        assert tps.post(SESSIONS, request).status == 200
        assert tps.post(SESSIONS, request).code == "challenge-used"

    def test_a_level_that_is_not_served_is_refused_as_in_any_delivery(self, tps: Caller) -> None:
        refused, _, _ = delivered(tps, AES192, AES192.card(), "33")

        assert (refused.code, refused.pointer) == ("level-not-supported", "/security_level")

    def test_a_delivery_is_no_session(self, tps: Caller) -> None:
        keys = delivered(tps, AES128, AES128.card(), "03")[0].document["keys"]

        refused = tps.post(WRAP, {"session": keys["mac"], "apdus": [get_data(0x9F7F)]})

        assert refused.code == "session-invalid"

    def _request(self, caller: Caller) -> JsonObject:
        issued = issued_challenge(caller)
        answer = initialize_update(AES128.card(), bytes.fromhex(issued["host_challenge"]))
        card = {
            "initialize_update": answer.hex(),
            "challenge": issued["challenge"],
            "key_set": AES128.key_set,
        }
        return session_request(card)
