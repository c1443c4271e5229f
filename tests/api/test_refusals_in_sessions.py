"""Requests that are refused in a genuine session: the record says which card's it is."""

import os

import pytest

from tests.site.batches import AES128, BY_CUID
from tests.site.caller import Caller
from tests.site.channels import (
    CONFIRM,
    ENCRYPT,
    PUT_KEY,
    SESSIONS,
    UNWRAP,
    WRAP,
    JsonObject,
    open_channel,
    open_presented,
    presented,
    session_request,
)
from tests.site.fixtures import RunningSite

REFUSED: dict[str, tuple[JsonObject, str]] = {
    WRAP: ({"apdus": ["80d8000000"]}, "command-not-allowed"),
    UNWRAP: ({"responses": ["9000", "9000"]}, "response-invalid"),
    PUT_KEY: ({"new_key_version": 99, "mode": "add"}, "change-not-allowed"),
    CONFIRM: ({"response": "9000"}, "session-invalid"),
    ENCRYPT: ({"purpose": "pin", "data": "00" * 16}, "purpose-not-allowed"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_the_card_is_on_record(site: RunningSite, branch: Caller, path: str) -> None:
    body, code = REFUSED[path]
    card = AES128.card()
    session = open_channel(branch, AES128, card)

    refused = branch.post(path, {"session": session, **body})

    decision = site.trail.of_request(refused.request_id)[-1].decision
    assert refused.code == decision.code == code
    assert (decision.key_set, decision.key_version) == (AES128.key_set, 1)
    assert decision.diversification_data == card.profile.kdd.hex()


def test_a_card_that_goes_by_its_cuid_is_on_record_with_it(site: RunningSite, tps: Caller) -> None:
    cuid = os.urandom(10)
    card = BY_CUID.card_by_cuid(cuid)
    body = session_request(presented(tps, BY_CUID, card) | {"cuid": cuid.hex()})
    session = open_presented(tps, card, body)

    refused = tps.post(WRAP, {"session": session, "apdus": ["80d8000000"]})

    decision = site.trail.of_request(refused.request_id)[-1].decision
    assert decision.diversification_data == cuid.hex()


@pytest.mark.parametrize("path", REFUSED)
def test_nothing_is_said_of_a_session_that_is_anothers_or_was_altered(
    site: RunningSite, tps: Caller, branch: Caller, path: str
) -> None:
    body, _ = REFUSED[path]
    session = open_channel(tps, AES128, AES128.card())
    altered = session[:-2] + ("AA" if not session.endswith("AA") else "BB")

    for caller, sent in ((branch, session), (tps, altered)):
        refused = caller.post(path, {"session": sent, **body})

        decision = site.trail.of_request(refused.request_id)[-1].decision
        assert refused.code in ("session-foreign", "session-invalid")
        assert (decision.key_set, decision.diversification_data) == (None, None)


def test_a_card_without_a_session_is_on_record_as_it_was_presented(
    site: RunningSite, tps: Caller
) -> None:
    card = AES128.card()
    body = session_request(presented(tps, AES128, card), level="00")

    refused = tps.post(SESSIONS, body)

    decision = site.trail.of_request(refused.request_id)[-1].decision
    assert refused.code == "level-not-supported"
    assert decision.diversification_data == card.profile.kdd.hex()
