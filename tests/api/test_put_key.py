"""Changing cards over to other keys: POST /v1/tks/sessions/put-key."""

import os
from typing import NamedTuple

import pytest

from tests.site.batches import ABSENT, AES128, DES_VISA2, Batch
from tests.site.caller import Caller
from tests.site.changeovers import (
    BY_CUID_OLD,
    DES_CLOSED,
    DES_OPEN,
    FRESH_SCP01,
    FRESH_SCP02,
    FRESH_SCP03,
    HMAC,
    LONGER,
    ROTATING,
    SCP01_OPEN,
    UPGRADED,
)
from tests.site.channels import (
    OK,
    PUT_KEY,
    confirm,
    get_data,
    open_channel,
    open_presented,
    presented,
    put_key,
    session_request,
    store_data,
    wrap,
)
from tests.site.contract import Answer
from tests.site.fixtures import RunningSite
from tests.virtual_token.card import Card
from tests.virtual_token.keys import KeySet
from tmsd.audit.record import Outcome

INITIAL = 0xFF


class Change(NamedTuple):
    """From where, to which version of which key set, and how."""

    before: Batch
    after: Batch
    version: int
    mode: str = "replace"

    def __str__(self) -> str:
        return f"{self.before.key_set} {self.mode} {self.after.key_set}:{self.version}"


CHANGES = [
    Change(FRESH_SCP03, ROTATING, 1, "add"),
    Change(FRESH_SCP03, ROTATING, 1),
    Change(ROTATING, ROTATING, 2, "add"),
    Change(ROTATING, ROTATING, 2),
    Change(ROTATING, LONGER, 1),
    Change(FRESH_SCP02, DES_OPEN, 1, "add"),
    Change(FRESH_SCP02, DES_OPEN, 1),
    Change(FRESH_SCP02, UPGRADED, 1, "add"),
    Change(FRESH_SCP01, SCP01_OPEN, 1, "add"),
    Change(DES_OPEN, DES_OPEN, 2),
    Change(HMAC, HMAC, 2),
    Change(HMAC, DES_OPEN, 1),
]
each_change = pytest.mark.parametrize("change", CHANGES, ids=str)


def made_for(caller: Caller, card: Card, change: Change, level: str = "03") -> Answer:
    """Open a channel and have PUT KEY made; return the answer."""
    session = open_channel(caller, change.before, card, level)
    return put_key(caller, session, change.after, change.version, change.mode)


def keys_on(card: Card, version: int) -> KeySet:
    """Return the keys that a card has."""
    group = card.keyring.group(version)
    assert group is not None
    return group.key_set()


def values(keys: KeySet, algorithm: str) -> list[bytes]:
    """Return ENC, MAC and DEK; of triple DES keys without the bits that carry no key."""
    mask = 0xFE if algorithm == "des3" else 0xFF
    return [bytes(byte & mask for byte in key) for key in (keys.enc, keys.mac, keys.dek)]


def levels(batch: Batch) -> list[str]:
    return ["01", "03", "11", "33"] if batch.scp == 0x03 else ["01", "03"]


@each_change
def test_a_card_is_changed_over_and_holds_the_new_keys(tps: Caller, change: Change) -> None:
    for level in levels(change.before):
        card = change.before.card()

        made = made_for(tps, card, change, level).document
        answer = card.transmit(bytes.fromhex(made["apdu"]))
        confirmed = confirm(tps, made["session"], answer)

        assert confirmed.status == 200, confirmed.document
        assert confirmed.document["new_key_version"] == change.version
        derived = change.after.keys(card.profile.kdd, change.version)
        held = keys_on(card, change.version)
        algorithm = change.after.algorithm
        assert values(held, algorithm) == values(derived, algorithm)
        assert open_channel(tps, change.after, card, key_version=change.version)


@each_change
def test_the_keys_before_stay_where_others_are_added_and_go_where_they_are_replaced(
    tps: Caller, change: Change
) -> None:
    card = change.before.card()
    made = made_for(tps, card, change).document

    assert card.transmit(bytes.fromhex(made["apdu"])).endswith(OK)

    before = change.before.key_version
    # The card gives its initial keys up with the first whole set that is added.
    stays = change.mode == "add" and before != INITIAL
    versions = {group.version for group in card.keyring.groups}
    assert versions == ({before, change.version} if stays else {change.version})


@each_change
def test_the_check_values_are_those_of_the_keys_on_the_card(tps: Caller, change: Change) -> None:
    card = change.before.card()
    made = made_for(tps, card, change).document
    card.transmit(bytes.fromhex(made["apdu"]))

    group = card.keyring.group(change.version)
    assert group is not None
    check_values = [group.keys[identifier].check_value.hex() for identifier in (1, 2, 3)]
    assert made["key_check_values"] == check_values


@each_change
def test_the_same_body_gives_the_same_answer(tps: Caller, change: Change) -> None:
    session = open_channel(tps, change.before, change.before.card())

    first, second = (
        put_key(tps, session, change.after, change.version, change.mode) for _ in range(2)
    )

    assert first.status == 200
    assert first.content == second.content


def test_the_new_keys_cannot_be_read_in_the_command(tps: Caller) -> None:
    card = ROTATING.card()

    made = put_key(tps, open_channel(tps, ROTATING, card, "01"), ROTATING, 2).document

    for key in values(ROTATING.keys(card.profile.kdd, 2), "aes128"):
        assert key not in bytes.fromhex(made["apdu"])


@pytest.mark.parametrize(
    ("change", "p1", "key_type"),
    [
        (Change(FRESH_SCP03, ROTATING, 1), 0x00, 0x88),
        (Change(ROTATING, ROTATING, 2), 0x01, 0x88),
        (Change(ROTATING, ROTATING, 2, "add"), 0x00, 0x88),
        (Change(DES_OPEN, DES_OPEN, 2), 0x01, 0x80),
        (Change(FRESH_SCP02, UPGRADED, 1, "add"), 0x00, 0x88),
        (Change(FRESH_SCP01, SCP01_OPEN, 1, "add"), 0x00, 0x81),
    ],
    ids=str,
)
def test_the_command_names_what_it_replaces_and_of_which_type_the_keys_are(
    tps: Caller, change: Change, p1: int, key_type: int
) -> None:
    made = made_for(tps, change.before.card(), change, "01").document

    apdu = bytes.fromhex(made["apdu"])
    assert apdu[:4] == bytes([0x84, 0xD8, p1, 0x81])
    assert apdu[5:7] == bytes([change.version, key_type])


def test_the_key_set_is_the_cards_present_one_unless_another_is_named(tps: Caller) -> None:
    session = open_channel(tps, ROTATING, ROTATING.card())

    unnamed = tps.post(PUT_KEY, {"session": session, "new_key_version": 2, "mode": "replace"})

    assert unnamed.content == put_key(tps, session, ROTATING, 2).content


def test_the_channel_goes_on_after_it(tps: Caller) -> None:
    card = ROTATING.card()
    made = put_key(tps, open_channel(tps, ROTATING, card, "33"), ROTATING, 2).document
    answer = card.transmit(bytes.fromhex(made["apdu"]))
    session = confirm(tps, made["session"], answer).document["session"]

    _, (command,) = wrap(tps, session, [store_data(0xDF20, b"value")])

    assert card.transmit(command).endswith(OK)


class TestByCuid:
    def opened(self, tps: Caller) -> tuple[str, Card, bytes]:
        """Open a channel with a card by its CUID."""
        cuid = os.urandom(10)
        card = BY_CUID_OLD.card_by_cuid(cuid)
        request = presented(tps, BY_CUID_OLD, card) | {"cuid": cuid.hex()}
        return open_presented(tps, card, session_request(request)), card, cuid

    def test_the_new_keys_are_those_of_the_cuid_that_the_channel_was_opened_with(
        self, tps: Caller
    ) -> None:
        session, card, cuid = self.opened(tps)

        made = put_key(tps, session, BY_CUID_OLD, 2).document
        card.transmit(bytes.fromhex(made["apdu"]))

        assert keys_on(card, 2) == BY_CUID_OLD.keys(cuid, 2)

    def test_a_key_set_by_kdd_takes_the_kdd(self, tps: Caller) -> None:
        session, card, _ = self.opened(tps)

        made = put_key(tps, session, ROTATING, 1).document
        card.transmit(bytes.fromhex(made["apdu"]))

        assert keys_on(card, 1) == ROTATING.keys(card.profile.kdd, 1)

    def test_a_channel_that_was_opened_without_it_leads_to_no_key_set_by_cuid(
        self, tps: Caller
    ) -> None:
        session = open_channel(tps, FRESH_SCP03, FRESH_SCP03.card())

        refused = put_key(tps, session, BY_CUID_OLD, 1)

        assert (refused.code, refused.pointer) == ("request-invalid", "/session")
        assert "goes by the card's CUID: open the channel with it" in refused.detail


class TestRefusals:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(Change(ROTATING, ROTATING, 1), id="the version that it is in"),
            pytest.param(Change(ROTATING, ROTATING, 3), id="a retired version"),
            pytest.param(Change(ROTATING, ROTATING, 9), id="a version that there is not"),
            pytest.param(Change(ROTATING, FRESH_SCP03, 1), id="factory keys"),
            pytest.param(Change(ROTATING, AES128, 1), id="a good key set that is not named"),
            pytest.param(Change(FRESH_SCP03, ROTATING, 2), id="a good version that is not named"),
            pytest.param(Change(FRESH_SCP02, FRESH_SCP03, 1), id="from factory to factory keys"),
            pytest.param(Change(LONGER, ROTATING, 1), id="weaker keys"),
            pytest.param(Change(DES_CLOSED, DES_OPEN, 1), id="where there is no way at all"),
        ],
    )
    def test_a_change_that_the_policy_does_not_name_is_not_made(
        self, tps: Caller, change: Change
    ) -> None:
        refused = made_for(tps, change.before.card(), change)

        assert (refused.status, refused.code) == (403, "change-not-allowed")
        assert refused.pointer == "/new_key_version"
        assert f"not to {change.after.key_set}:{change.version}" in refused.detail
        assert refused.document["next"] == "call-officer"

    def test_the_ways_that_the_policy_names_are_told(self, tps: Caller) -> None:
        rotating = open_channel(tps, ROTATING, ROTATING.card())
        nowhere = open_channel(tps, DES_VISA2, DES_VISA2.card())

        told = put_key(tps, rotating, ROTATING, 9).detail
        none = put_key(tps, nowhere, DES_OPEN, 1).detail

        assert "may change to rotating:2, longer:1, absent:1, not to rotating:9" in told
        assert "may change to nowhere" in none

    def test_a_key_set_that_does_not_exist_is_no_way_either(self, tps: Caller) -> None:
        session = open_channel(tps, ROTATING, ROTATING.card())
        body = {"session": session, "new_key_version": 2, "mode": "add", "new_key_set": "nothing"}

        assert tps.post(PUT_KEY, body).code == "change-not-allowed"

    def test_a_key_that_the_hsm_lacks_is_named(self, tps: Caller) -> None:
        session = open_channel(tps, ROTATING, ROTATING.card())

        refused = put_key(tps, session, ABSENT, 1)

        assert (refused.status, refused.code) == (409, "key-missing")
        assert "version 1 of key set absent" in refused.detail

    def test_without_the_exception_the_mechanism_and_the_setting_are_named(
        self, tps: Caller
    ) -> None:
        session = open_channel(tps, FRESH_SCP02, FRESH_SCP02.card())

        refused = put_key(tps, session, DES_CLOSED, 1, "add")

        assert (refused.status, refused.code) == (501, "mechanism-unavailable")
        assert "CKM_DES3_ECB" in refused.detail
        assert "key_sets.des-closed would have to say" in refused.detail
        assert "allow_key_material_in_worker = true" in refused.detail
        assert refused.document["next"] == "call-officer"

    def test_responses_must_not_be_outstanding(self, tps: Caller) -> None:
        session = open_channel(tps, ROTATING, ROTATING.card(), "11")
        session, _ = wrap(tps, session, [get_data(0x9F7F)])

        refused = put_key(tps, session, ROTATING, 2)

        assert (refused.code, refused.pointer) == ("request-invalid", "/session")
        assert "responses are outstanding" in refused.detail

    def test_a_change_must_be_confirmed_before_the_next(self, tps: Caller) -> None:
        session = open_channel(tps, ROTATING, ROTATING.card())
        made = put_key(tps, session, ROTATING, 2).document

        refused = put_key(tps, made["session"], ROTATING, 2)

        assert (refused.code, refused.pointer) == ("request-invalid", "/session")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("new_key_version", 0),
            ("new_key_version", 128),
            ("new_key_version", 255),
            ("new_key_version", "2"),
            ("new_key_version", True),
            ("new_key_version", None),
            ("mode", "update"),
            ("mode", None),
            ("new_key_set", "Pilot"),
            ("new_key_set", ""),
            ("keys", "00" * 48),
            ("session", "!"),
        ],
    )
    def test_a_faulty_field_is_pointed_at(self, tps: Caller, field: str, value: object) -> None:
        session = open_channel(tps, ROTATING, ROTATING.card())
        body = {"session": session, "new_key_version": 2, "mode": "add"}

        refused = tps.post(PUT_KEY, body | {field: value})

        assert (refused.code, refused.pointer) == ("request-invalid", f"/{field}")


class TestTheRecord:
    def test_has_the_intent_before_the_outcome(self, site: RunningSite, tps: Caller) -> None:
        card = ROTATING.card()
        session = open_channel(tps, ROTATING, card)
        made = put_key(tps, session, ROTATING, 2)

        intent, outcome = site.trail.of_request(made.request_id)

        assert intent.sequence < outcome.sequence
        assert intent.decision.operation == "tks.put-key.intent"
        assert intent.decision.outcome is Outcome.ALLOWED
        assert intent.decision.request_digest == outcome.decision.request_digest
        assert intent.decision.answer_digest is None
        assert outcome.decision.operation == "tks.put-key"
        assert outcome.decision.key_set == "rotating"
        assert outcome.decision.key_version == 1
        assert outcome.decision.diversification_data == card.profile.kdd.hex()
        assert outcome.decision.details == {
            "new_key_set": "rotating",
            "new_key_version": 2,
            "mode": "replace",
        }

    def test_has_the_intent_of_a_change_that_was_refused_too(
        self, site: RunningSite, tps: Caller
    ) -> None:
        refused = put_key(tps, open_channel(tps, ROTATING, ROTATING.card()), ROTATING, 9)

        intent, outcome = site.trail.of_request(refused.request_id)

        assert intent.decision.operation == "tks.put-key.intent"
        assert outcome.decision.outcome is Outcome.REFUSED
        assert outcome.decision.code == "change-not-allowed"

    @pytest.mark.parametrize(
        ("change", "in_worker"),
        [
            (Change(FRESH_SCP03, ROTATING, 1, "add"), False),
            (Change(ROTATING, ROTATING, 2), False),
            (Change(ROTATING, LONGER, 1), False),
            (Change(DES_OPEN, DES_OPEN, 2), True),
            (Change(FRESH_SCP02, UPGRADED, 1, "add"), True),
            (Change(HMAC, HMAC, 2), True),
        ],
        ids=str,
    )
    def test_says_whether_keys_were_in_the_workers_memory(
        self, site: RunningSite, tps: Caller, change: Change, in_worker: bool
    ) -> None:
        made = made_for(tps, change.before.card(), change)

        _, outcome = site.trail.of_request(made.request_id)

        told = outcome.decision.details.get("key_material_in_worker")
        assert told is (True if in_worker else None)
