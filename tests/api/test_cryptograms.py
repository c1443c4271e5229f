"""Verifying a card's cryptogram: POST /v1/tks/cryptograms/verify."""

from dataclasses import replace

import pytest

from tests.site.batches import ABSENT, AES128, DES_EMV, ROTATED, SERVED, Batch
from tests.site.caller import Caller
from tests.site.channels import VERIFY, presented
from tests.site.fixtures import RunningSite

each_batch = pytest.mark.parametrize("batch", SERVED, ids=lambda batch: batch.key_set)


@each_batch
def test_a_genuine_card_is_valid(tps: Caller, batch: Batch) -> None:
    verified = tps.post(VERIFY, {"card": presented(tps, batch, batch.card())})

    assert verified.document == {"valid": True}


@each_batch
def test_a_card_with_other_keys_is_not_valid_which_is_an_answer(tps: Caller, batch: Batch) -> None:
    forged = replace(batch, master=bytes(range(len(batch.master))))

    verified = tps.post(VERIFY, {"card": presented(tps, forged, forged.card())})

    assert verified.document == {"valid": False}


def test_the_record_says_whether_the_card_was_valid(site: RunningSite, tps: Caller) -> None:
    verified = tps.post(VERIFY, {"card": presented(tps, DES_EMV, DES_EMV.card())})

    (record,) = site.trail.of_request(verified.request_id)
    assert record.decision.details == {"valid": True}


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (replace(ROTATED, key_version=1), "key-version-retired"),
        (replace(AES128, key_version=7), "key-version-unknown"),
        (replace(AES128, i=0x00), "protocol-mismatch"),
        (ABSENT, "key-missing"),
    ],
)
def test_what_opens_no_channel_is_not_verified_either(tps: Caller, batch: Batch, code: str) -> None:
    refused = tps.post(VERIFY, {"card": presented(tps, batch, batch.card())})

    assert refused.code == code
