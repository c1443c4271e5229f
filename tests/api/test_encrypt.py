"""Encrypting under a card's DEK: POST /v1/tks/sessions/encrypt."""

import os
from collections.abc import Iterator

import pytest

from tests.site.batches import (
    AES128,
    AES192,
    AES256,
    AES_SHARED,
    DES_SHARED,
    DES_VISA2,
    SCP01,
    SERVED,
    Batch,
)
from tests.site.caller import Caller
from tests.site.channels import ENCRYPT, OK, JsonObject, open_channel, store_data, unwrap, wrap
from tests.site.fixtures import RunningSite
from tests.site.identities import DESK
from tests.virtual_token.card import PROVE_PRESENCE, Card
from tests.virtual_token.dek import AesDek, DesDek

each_batch = pytest.mark.parametrize("batch", SERVED, ids=lambda batch: batch.key_set)
each_batch_with_a_dek_of_its_own = pytest.mark.parametrize(
    "batch", [each for each in SERVED if each is not AES_SHARED], ids=lambda batch: batch.key_set
)


@pytest.fixture
def desk(site: RunningSite) -> Iterator[Caller]:
    """A caller that may have PINs encrypted, and nothing else."""
    with site.caller(DESK) as caller:
        yield caller


def body(session: str, purpose: str, data: bytes) -> JsonObject:
    return {"session": session, "purpose": purpose, "data": data.hex()}


def decrypted_by(card: Card, caller: Caller, session: str, encrypted: bytes) -> bytes:
    """Send 16 bytes to the card and return what it makes of them."""
    command = bytes([0x80, PROVE_PRESENCE, 0x00, 0x00, len(encrypted)]) + encrypted + b"\x00"
    after, (wrapped,) = wrap(caller, session, [command.hex()])
    _, (response,), _ = unwrap(caller, after, [card.transmit(wrapped)])
    answer = bytes.fromhex(response["response"])
    assert answer.endswith(OK)
    return answer[:-2]


class TestAProofOfPresence:
    @each_batch
    def test_is_what_the_card_can_decrypt(self, tps: Caller, batch: Batch) -> None:
        card = batch.card()
        session = open_channel(tps, batch, card)

        made = tps.post(ENCRYPT, {"session": session, "purpose": "proof-of-presence"}).document

        encrypted = bytes.fromhex(made["encrypted"])
        challenge = bytes.fromhex(made["challenge"])
        assert len(encrypted) == len(challenge) == 16
        assert decrypted_by(card, tps, made["session"], encrypted) == challenge

    def test_is_another_each_time(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())
        request = {"session": session, "purpose": "proof-of-presence"}

        challenges = {tps.post(ENCRYPT, request).document["challenge"] for _ in range(20)}

        assert len(challenges) == 20

    def test_takes_no_data_of_the_callers(self, tps: Caller) -> None:
        session = open_channel(tps, AES128, AES128.card())

        refused = tps.post(ENCRYPT, body(session, "proof-of-presence", bytes(16)))

        assert (refused.status, refused.code) == (400, "request-invalid")
        assert refused.pointer == "/data"


@pytest.mark.parametrize("purpose", ["pin", "object"])
class TestData:
    def test_are_refused_where_the_dek_is_every_other_key_as_well(
        self, tps: Caller, purpose: str
    ) -> None:
        session = open_channel(tps, AES_SHARED, AES_SHARED.card())

        refused = tps.post(ENCRYPT, body(session, purpose, bytes(16)))

        assert (refused.status, refused.code) == (403, "purpose-not-allowed")

    @each_batch_with_a_dek_of_its_own
    def test_are_decrypted_by_the_card(self, tps: Caller, batch: Batch, purpose: str) -> None:
        card = batch.card()
        data = os.urandom(16)

        made = tps.post(ENCRYPT, body(open_channel(tps, batch, card), purpose, data)).document

        encrypted = bytes.fromhex(made["encrypted"])
        assert made["challenge"] is None
        assert encrypted != data
        assert decrypted_by(card, tps, made["session"], encrypted) == data

    @pytest.mark.parametrize(
        "batch", [AES128, AES192, AES256, SCP01], ids=lambda batch: batch.key_set
    )
    def test_have_up_to_256_bytes(self, tps: Caller, batch: Batch, purpose: str) -> None:
        card = batch.card()
        data = os.urandom(256)

        made = tps.post(ENCRYPT, body(open_channel(tps, batch, card), purpose, data)).document

        dek = (AesDek if batch.scp == 0x03 else DesDek)(card.profile.dek)
        assert dek.decrypt(bytes.fromhex(made["encrypted"])) == data

    @pytest.mark.parametrize(
        ("batch", "length", "block"),
        [(AES128, 8, 16), (AES192, 17, 16), (AES256, 24, 16), (DES_VISA2, 9, 8), (SCP01, 15, 8)],
    )
    def test_come_in_blocks_of_the_cards_cipher(
        self, tps: Caller, batch: Batch, length: int, block: int, purpose: str
    ) -> None:
        session = open_channel(tps, batch, batch.card())

        refused = tps.post(ENCRYPT, body(session, purpose, bytes(length)))

        assert (refused.code, refused.pointer) == ("request-invalid", "/data")
        assert f"blocks of {block} bytes" in refused.detail

    def test_of_8_bytes_are_a_block_of_triple_des(self, tps: Caller, purpose: str) -> None:
        session = open_channel(tps, DES_SHARED, DES_SHARED.card())

        made = tps.post(ENCRYPT, body(session, purpose, bytes(8)))

        assert len(bytes.fromhex(made.document["encrypted"])) == 8

    @pytest.mark.parametrize("length", [0, 1, 7, 257, 272])
    def test_have_8_to_256_bytes(self, tps: Caller, length: int, purpose: str) -> None:
        session = open_channel(tps, AES128, AES128.card())

        refused = tps.post(ENCRYPT, body(session, purpose, bytes(length)))

        assert (refused.code, refused.pointer) == ("request-invalid", "/data")

    def test_are_needed(self, tps: Caller, purpose: str) -> None:
        session = open_channel(tps, AES128, AES128.card())

        refused = tps.post(ENCRYPT, {"session": session, "purpose": purpose})

        assert (refused.code, refused.pointer) == ("request-invalid", "/data")


class TestThePurpose:
    @pytest.mark.parametrize("purpose", ["proof-of-presence", "object"])
    def test_must_be_the_callers(self, desk: Caller, purpose: str) -> None:
        session = open_channel(desk, AES128, AES128.card())
        data = {} if purpose == "proof-of-presence" else {"data": "00" * 16}

        refused = desk.post(ENCRYPT, {"session": session, "purpose": purpose, **data})

        assert (refused.status, refused.code) == (403, "purpose-not-allowed")
        assert refused.pointer == "/purpose"
        assert refused.detail == f"desk may not encrypt for {purpose}"
        assert refused.document["next"] == "call-officer"

    def test_of_the_caller_is_served(self, desk: Caller) -> None:
        session = open_channel(desk, AES128, AES128.card())

        assert desk.post(ENCRYPT, body(session, "pin", bytes(16))).status == 200

    @pytest.mark.parametrize("purpose", ["proof-of-presence", "pin", "object"])
    def test_is_none_unless_the_policy_says_so(self, branch: Caller, purpose: str) -> None:
        session = open_channel(branch, AES128, AES128.card())

        refused = branch.post(ENCRYPT, {"session": session, "purpose": purpose})

        assert refused.code == "purpose-not-allowed"

    @pytest.mark.parametrize("purpose", ["", "PIN", "put-key", None, ["pin"], 1])
    def test_must_be_one_that_there_is(self, tps: Caller, purpose: object) -> None:
        session = open_channel(tps, AES128, AES128.card())

        refused = tps.post(ENCRYPT, {"session": session, "purpose": purpose})

        assert (refused.code, refused.pointer) == ("request-invalid", "/purpose")


def test_the_channel_stands_where_it_stood(tps: Caller) -> None:
    card = AES128.card()
    session = open_channel(tps, AES128, card)
    commands = [store_data(0xDF20, b"value")]

    after = tps.post(ENCRYPT, body(session, "object", bytes(16))).document["session"]

    assert wrap(tps, after, commands) == wrap(tps, session, commands)


def test_the_record_says_for_what_and_not_what(site: RunningSite, tps: Caller) -> None:
    card = AES128.card()
    made = tps.post(ENCRYPT, body(open_channel(tps, AES128, card), "pin", b"1234567890abcdef"))

    (record,) = site.trail.of_request(made.request_id)

    assert record.decision.operation == "tks.encrypt-data"
    assert record.decision.details == {"purpose": "pin"}
    assert record.decision.diversification_data == card.profile.kdd.hex()
