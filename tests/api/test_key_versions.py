"""Versions of master keys over the API: who is served, who is told to move, and where to."""

import json
from dataclasses import replace
from typing import Any

from tests.cli.sites import tmsctl
from tests.site.batches import ROTATED, Batch
from tests.site.caller import Caller
from tests.site.changeovers import DATED
from tests.site.channels import (
    SESSIONS,
    WRAP,
    confirm,
    get_data,
    open_channel,
    presented,
    put_key,
    session_request,
)
from tests.site.contract import Answer
from tests.site.daemon import wait_until
from tests.site.fixtures import RunningSite
from tests.virtual_token.card import Card
from tmsd.audit.record import Outcome

VERIFY = "/v1/tks/cryptograms/verify"


def opened(caller: Caller, batch: Batch, card: Card) -> Answer:
    """Ask for a channel with a card."""
    return caller.post(SESSIONS, session_request(presented(caller, batch, card)))


def test_a_card_of_an_older_version_is_served_and_told_to_move_and_moved(
    tps: Caller, site: RunningSite
) -> None:
    card = DATED.card()

    answer = opened(tps, DATED, card)
    told = answer.document
    assert (told["key_version"], told["newest_key_version"]) == (1, 2)
    (record,) = site.trail.of_request(answer.request_id)
    assert record.decision.details["newest_key_version"] == 2

    session = open_channel(tps, DATED, card)
    assert tps.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]}).status == 200
    session = open_channel(tps, DATED, card, "03")
    made = put_key(tps, session, DATED, told["newest_key_version"]).document
    answered = card.transmit(bytes.fromhex(made["apdu"]))
    assert confirm(tps, made["session"], answered).status == 200

    moved = opened(tps, replace(DATED, key_version=2), card).document
    assert (moved["key_version"], moved["newest_key_version"]) == (2, 2)


def cards(site: RunningSite, *arguments: str) -> dict[str, Any]:
    """Return what `tmsctl key cards` tells of the key set."""
    done = tmsctl(
        *("key", "cards", "--config", site.site.configuration, "--key-set", DATED.key_set),
        *("--json", *arguments),
    )
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def is_listed(site: RunningSite, card: Card, version: str) -> bool:
    listed = cards(site, "--version", version, "--page-size", "1000")["cards"]
    return card.profile.kdd.hex() in [each["diversification_data"] for each in listed]


def test_which_version_a_card_was_last_seen_with_is_told_once_it_has_proved_its_keys(
    tps: Caller, site: RunningSite
) -> None:
    seen, forged = DATED.card(), replace(DATED, master=bytes(16)).card()
    assert opened(tps, DATED, forged).code == "card-cryptogram-mismatch"
    assert tps.post(VERIFY, {"card": presented(tps, DATED, seen)}).document == {"valid": True}

    wait_until(lambda: is_listed(site, seen, "1"))
    assert not is_listed(site, forged, "1")
    told = cards(site)
    assert told["newest_version"] == 2
    assert [(each["version"], each["state"]) for each in told["versions"]] == [
        *((1, "active"), (2, "active"), (3, "pre-active"))
    ]
    assert cards(site, "--version", "1", "--page-size", "1")["count"] >= 1


def test_no_card_goes_to_a_version_before_its_date_nor_stays_behind_it(tps: Caller) -> None:
    session = open_channel(tps, DATED, DATED.card())

    early = put_key(tps, session, DATED, 3)
    assert (early.code, early.pointer) == ("key-version-not-yet-active", "/new_key_version")
    assert "version 3 of key set dated is active from 2999-01-01T00:00:00Z" in early.detail

    late = put_key(tps, session, DATED, 1)
    assert late.code == "change-not-allowed"
    assert "may change to dated:2, not to dated:1" in late.detail


def test_a_card_that_holds_a_version_before_its_date_is_not_served(
    tps: Caller, site: RunningSite
) -> None:
    early = replace(DATED, key_version=3)
    card = presented(tps, early, early.card())

    for path, body in ((SESSIONS, session_request(card)), (VERIFY, {"card": card})):
        refused = tps.post(path, body)
        assert (refused.status, refused.code) == (422, "key-version-not-yet-active")
        assert (refused.pointer, refused.document["next"]) == (
            "/card/initialize_update",
            "refuse-card",
        )
        (record,) = site.trail.of_request(refused.request_id)
        assert record.decision.outcome is Outcome.REFUSED
        assert (record.decision.key_set, record.decision.key_version) == ("dated", 3)


def test_the_newest_version_and_the_state_of_each_are_told(tps: Caller) -> None:
    told = {each["name"]: each for each in tps.get("/v1/tks/key-sets").document["key_sets"]}

    dated = told["dated"]
    states = [(version["version"], version["state"]) for version in dated["versions"]]
    assert states == [(1, "active"), (2, "active"), (3, "pre-active")]
    assert dated["newest_key_version"] == 2
    retired, active = told[ROTATED.key_set]["versions"]
    assert (retired["state"], retired["key_check_value"]) == ("retired", None)
    assert active["key_check_value"] is not None
