"""Cards that misbehave do so in the one way their name says."""

from collections.abc import Callable

import pytest

from tests.virtual_token import faults
from tests.virtual_token.card import GET_DATA, INITIALIZE_UPDATE, Card
from tests.virtual_token.traces import SCP03
from tests.virtual_token.vpcd import TornOut

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
    card = faults.VanishingCard(TRACE.card(), INITIALIZE_UPDATE)

    assert card.transmit(bytes([0x80, GET_DATA, 0x9F, 0x7F, 0x00])).endswith(b"\x90\x00")
    with pytest.raises(TornOut, match="instruction 50"):
        card.transmit(TRACE.initialize_update)
