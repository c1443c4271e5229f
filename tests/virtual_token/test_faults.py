"""Cards that misbehave do so in the one way their name says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pcsc.faults import VanishingCard
from tests.pcsc.vpcd import TornOut
from tests.virtual_token import faults
from tests.virtual_token.card import GET_DATA, INITIALIZE_UPDATE, Card
from tests.virtual_token.changeover import PROFILES, keys_for, put
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.terminal import opens
from tests.virtual_token.traces import SCP03

TRACE = SCP03["kaoh-scp03-get_status_enc_mac"]
CPLC = bytes.fromhex("80CA9F7F00")


@pytest.mark.parametrize(
    ("garble", "difference"),
    [(faults.random_bytes, 0), (faults.truncated, -1), (faults.too_long, 1)],
)
def test_a_garbling_card_spoils_initialize_update_and_nothing_else(
    garble: Callable[[bytes], bytes], difference: int
) -> None:
    card = faults.GarblingCard(TRACE.card(), garble)
    answer = card.transmit(TRACE.initialize_update)

    assert len(answer) == 32 + difference + 2
    assert answer[:-2] != TRACE.answer
    assert answer.endswith(b"\x90\x00")
    assert card.transmit(CPLC) == TRACE.card().transmit(CPLC)
    assert card.transmit(bytes.fromhex("8050310008") + bytes(8)).hex() == "6a88"


def test_a_replaying_card_answers_every_challenge_with_the_first_answer() -> None:
    card = faults.ReplayingCard(TRACE.card())
    first = card.transmit(TRACE.initialize_update)
    card.reset()

    assert first == TRACE.answer + b"\x90\x00"
    assert card.transmit(bytes.fromhex("8050000008") + bytes(8)) == first
    assert card.transmit(TRACE.external_authenticate).hex() == "6985"


def test_a_replaying_card_may_have_its_recording_from_elsewhere() -> None:
    recorded = TRACE.answer + b"\x90\x00"
    other = SCP03["pysim-SCP03_Test_AES192_33"].card()

    assert faults.ReplayingCard(other, recorded).transmit(TRACE.initialize_update) == recorded


def test_a_card_with_wrong_keys_differs_in_its_keys_alone() -> None:
    right = TRACE.card().profile
    wrong = faults.with_wrong_keys(right)

    assert {right.enc, right.mac, right.dek}.isdisjoint({wrong.enc, wrong.mac, wrong.dek})
    assert Card(wrong).transmit(TRACE.initialize_update)[:13] == TRACE.answer[:13]


def test_a_vanishing_card_is_gone_at_its_instruction() -> None:
    card = VanishingCard(TRACE.card(), INITIALIZE_UPDATE)

    assert card.transmit(bytes([0x80, GET_DATA, 0x9F, 0x7F, 0x00])).endswith(b"\x90\x00")
    with pytest.raises(TornOut, match="instruction 50"):
        card.transmit(TRACE.initialize_update)


@pytest.mark.parametrize("after_storing", [False, True])
@pytest.mark.parametrize("card_profile", PROFILES, ids=lambda p: f"scp{p.scp:02}-i{p.i:02X}")
def test_a_card_that_loses_power_at_put_key_has_its_old_keys_or_its_new_ones(
    card_profile: CardProfile, tmp_path: Path, *, after_storing: bool
) -> None:
    path = tmp_path / "card.json"
    card = Card(card_profile, faults.PowerLossMemory(path, after_storing=after_storing))
    old, keys = card.keyring.groups[0], keys_for(card)
    new = replace(old, version=2, keys=keys)
    with pytest.raises(TornOut, match="its new keys were stored"):
        put(card, "0181", 2, keys)
    card.reset()

    for put_back in (card, Card(card_profile, NonVolatileMemory(path))):
        assert put_back.keyring.groups == ((new,) if after_storing else (old,))
        assert opens(put_back, put_back.keyring.groups[0])


def test_a_card_that_lost_power_takes_its_keys_the_second_time() -> None:
    card = Card(PROFILES[0], faults.PowerLossMemory(after_storing=False))
    with pytest.raises(TornOut):
        put(card, "0181", 2, keys_for(card))
    card.reset()

    assert put(card, "0181", 2, keys_for(card)) == "9000"


def test_a_wrong_put_key_does_not_cost_the_card_its_power() -> None:
    card = Card(PROFILES[0], faults.PowerLossMemory(after_storing=True))

    assert put(card, "0281", 2, keys_for(card)) == "6a88"
    with pytest.raises(TornOut):
        put(card, "0181", 2, keys_for(card))
