"""Keys are changed and challenges encrypted only for a card that had session keys lately."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dogtag.cards import (
    ENCRYPT,
    KEY_SET_DATA,
    SESSION,
    PresentedCard,
    factory_card,
    presented,
    session_with,
)
from tests.dogtag.conftest import RunningDogtagSite
from tests.dogtag.exchanges import EXCHANGES
from tests.dogtag.meaning import assert_same_answer
from tests.site.daemon import Daemon
from tests.site.dogtag_exchanges import exchange as parsed
from tests.site.dogtag_site import OPEN, OTHER, WINDOWED, Answered, Tps, dogtag_site
from tests.site.dogtag_static_keys import static_dek
from tests.site.fixtures import MakeSite
from tests.site.stepped_clock import SteppedClock

# Of what was recorded without a session of its own: the session that a TPS would have had before.
SESSIONS = {
    "cks-scp01-v2-to-v1-nist": "scp01-v2-defKeySet-nist00-ssk",
    "cks-scp01-v2-to-v1-visa2": "scp01-v2-visa2",
    "cks-scp03-v3-to-v1-none": "scp03-v3-none-aes128-ssk",
    "cks-scp03-v1-to-v3-none": "scp03-v1-none-aes",
    "enc-scp01-v1-24": "percent-encoded-request",
    "enc-scp01-v1-noproto": "err-lowercase-hex-ok",
    "enc-scp01-v2-nist": "scp01-v2-defKeySet-nist00-ssk",
    "tps-11": "tps-13",
}
CUID_AS_KDD = "KDD=#40#90#61#45#C7#62#24#19#2D#2B"


@pytest.fixture
def tps(tks: RunningDogtagSite) -> Iterator[Tps]:
    with Tps(tks.dogtag, WINDOWED) as opened:
        yield opened


@pytest.fixture
def other(tks: RunningDogtagSite) -> Iterator[Tps]:
    with Tps(tks.dogtag, OTHER) as opened:
        yield opened


def asked_of(tps: Tps, card: PresentedCard) -> list[Answered]:
    """Ask for all that needs a session."""
    return [tps.ask(KEY_SET_DATA, card.new_keys), tps.ask(ENCRYPT, card.challenge)]


def assert_refused(answers: list[Answered]) -> None:
    for answer in answers:
        assert (answer.http_status, answer.body) == (200, b"status=1")
        assert answer.content_type == "text/html"


def assert_served(answers: list[Answered]) -> None:
    keys, challenge = answers
    assert keys.body.startswith(b"status=0&keySetData=%02%81%10"), keys.body
    assert challenge.body.startswith(b"status=0&data=%"), challenge.body


def test_a_card_is_served_after_its_session_and_not_before(tps: Tps) -> None:
    card = factory_card()
    assert_refused(asked_of(tps, presented(card, bytes(8))))

    shown, session = session_with(tps, card)

    assert session.fields["status"] == b"0"
    assert_served(asked_of(tps, shown))
    assert_served(asked_of(tps, shown))


def test_keys_are_on_record_before_the_hsm_is_asked_for_them_and_afterwards(
    tks: RunningDogtagSite, tps: Tps
) -> None:
    shown, _ = session_with(tps, factory_card())
    answer = tps.ask(KEY_SET_DATA, shown.new_keys)

    intent, made = (each.decision for each in tks.trail.of_request(answer.request_id or ""))
    assert (intent.operation, intent.outcome) == ("dogtag.key-set-data.intent", "allowed")
    assert intent.details == {"new_key_version": 2}
    assert (made.operation, made.outcome) == ("dogtag.key-set-data", "allowed")
    assert (made.key_set, made.key_version) == ("def-01-factory", 1)
    assert made.diversification_data == shown.answer[:10].hex()
    assert made.details["new_key_set"] == "def-01"


def test_a_session_that_was_refused_opens_nothing(tps: Tps) -> None:
    shown = presented(factory_card(), bytes(8))

    assert tps.ask(SESSION, shown.forged).body == b"status=5"

    assert_refused(asked_of(tps, shown))


def test_a_session_is_none_of_another_caller(tps: Tps, other: Tps) -> None:
    shown, _ = session_with(tps, factory_card())
    assert_refused(asked_of(other, shown))


def test_a_session_is_none_of_another_card(tps: Tps) -> None:
    shown, _ = session_with(tps, factory_card())
    assert_refused(asked_of(tps, presented(factory_card(), shown.host_challenge)))


def test_a_session_is_none_of_a_card_with_one_of_two_numbers(tps: Tps) -> None:
    shown, _ = session_with(tps, factory_card())
    cuid = f"tokencuid=#00{shown.identity.partition('tokencuid=')[2][3:30]}"
    for body in (shown.new_keys, shown.challenge):
        before, _, after = body.partition("tokencuid=")
        renumbered = f"{before}{cuid}{after[30:]}"
        assert renumbered != body
        assert tps.ask(KEY_SET_DATA, renumbered).body == b"status=1"


def test_a_session_is_none_of_another_key_set(tps: Tps) -> None:
    shown, _ = session_with(tps, factory_card())
    elsewhere = PresentedCard(shown.answer, shown.host_challenge, "nistKeySet")
    assert_refused(asked_of(tps, elsewhere))


def test_without_the_window_a_card_is_served_at_any_time(tks: RunningDogtagSite) -> None:
    with Tps(tks.dogtag, OPEN) as tps:
        assert_served(asked_of(tps, presented(factory_card(), bytes(8))))


@pytest.mark.parametrize("name", SESSIONS)
def test_a_recorded_exchange_is_answered_alike_after_a_session(tps: Tps, name: str) -> None:
    exchange, session = EXCHANGES[name], EXCHANGES[SESSIONS[name]].request_body
    if name == "cks-scp03-v1-to-v3-none":  # of keys that all cards have, so any KDD will do
        session = session.replace(CUID_AS_KDD, "KDD=#A0#01#02#03#04#05#06#07#08#FF")

    assert tps.ask(SESSION, session).fields["status"] == b"0"

    dek = static_dek(parsed(f"dogtag-{name}"))
    assert_same_answer(tps.ask(exchange.path, exchange.request_body), exchange, dek)


def test_after_five_minutes_a_session_is_none(make_site: MakeSite, tmp_path: Path) -> None:
    clock, card = SteppedClock(tmp_path), factory_card()
    with (
        dogtag_site(make_site(batches=())) as dogtag,
        Daemon(dogtag.site, environment=clock.environment) as daemon,
    ):
        daemon.wait_until_ready()
        with Tps(dogtag, WINDOWED) as tps:
            shown, _ = session_with(tps, card)
            clock.set_off(280)
            assert_served(asked_of(tps, shown))
            clock.set_off(305)
            assert_refused(asked_of(tps, shown))
            clock.set_off(3600)
            assert_refused(asked_of(tps, shown))

            shown, _ = session_with(tps, card)
            assert_served(asked_of(tps, shown))
