"""Proof of presence: the card that holds the key can say what a server encrypted."""

import json
import secrets
from dataclasses import replace
from typing import Any

import pytest

from tests.pcsc.apdu import Command
from tests.virtual_token.card import PROVE_PRESENCE, Card
from tests.virtual_token.changeover import PROFILES, keys_for, profile, put
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.terminal import OK, open_session
from tests.virtual_token.traces import VECTORS

OF_DOGTAG = [
    vector
    for vector in json.loads((VECTORS / "card_sensitive_data.json").read_text())["vectors"]
    if vector["id"].startswith("dogtag")
]


def prove_presence(data: bytes) -> Command:
    return Command(0x80, PROVE_PRESENCE, 0x00, 0x00, data, 256)


@pytest.mark.parametrize("card_profile", PROFILES, ids=lambda p: f"scp{p.scp:02}-i{p.i:02X}")
def test_the_card_answers_with_what_was_encrypted_for_it(card_profile: CardProfile) -> None:
    card = Card(card_profile)
    for level in (0x01, 0x03):
        session = open_session(card.transmit, card.keyring.groups[0], level)
        challenge = secrets.token_bytes(16)
        command = prove_presence(session.terminal.encrypt(challenge))
        assert session.send(command) == challenge + OK


def test_a_card_with_another_dek_answers_with_something_else() -> None:
    card = Card(replace(profile(3, 0x70), dek=bytes(16)))
    session = open_session(card.transmit, card.keyring.groups[0], 0x03)
    twin = Card(profile(3, 0x70))
    other = open_session(twin.transmit, twin.keyring.groups[0], 0x03)
    challenge = secrets.token_bytes(16)
    answer = session.send(prove_presence(other.terminal.encrypt(challenge)))

    assert answer.endswith(OK)
    assert answer[:-2] != challenge


@pytest.mark.parametrize("vector", OF_DOGTAG, ids=lambda vector: vector["id"])
def test_a_challenge_that_dogtag_encrypted_is_found(vector: dict[str, Any]) -> None:
    card = Card(replace(profile(1, 0x05), dek=bytes.fromhex(vector["dek"])))
    session = open_session(card.transmit, card.keyring.groups[0], 0x01)
    answer = session.send(prove_presence(bytes.fromhex(vector["encrypted"])))

    assert answer.hex() == vector["plain"] + "9000"


def test_after_a_key_changeover_the_new_dek_counts() -> None:
    card = Card(profile(3, 0x70))
    old = card.keyring.groups[0]
    put(card, "0181", 1, keys_for(card))
    session = open_session(card.transmit, card.keyring.groups[0], 0x01)
    challenge = secrets.token_bytes(16)

    assert card.keyring.groups[0].keys[3] != old.keys[3]
    assert session.send(prove_presence(session.terminal.encrypt(challenge))) == challenge + OK


@pytest.mark.parametrize("card_profile", PROFILES, ids=lambda p: f"scp{p.scp:02}-i{p.i:02X}")
def test_nothing_is_decrypted_without_a_c_mac(card_profile: CardProfile) -> None:
    card = Card(replace(card_profile, minimum_level=0x00))
    session = open_session(card.transmit, card.keyring.groups[0], 0x00)
    command = prove_presence(bytes(16))

    assert session.send(command).hex() == "6982"
    card.reset()
    assert card.transmit(command.encode()).hex() == "6982"
    assert card.transmit(replace(command, cla=0x84).encode()).hex() == "6982"
    assert card.transmit(replace(command, cla=0x00).encode()).hex() == "6e00"


@pytest.mark.parametrize(
    ("change", "status_word"),
    [
        ({"p1": 1}, "6a86"),
        ({"p2": 1}, "6a86"),
        ({"data": bytes(15)}, "6700"),
        ({"data": bytes(17)}, "6700"),
        ({"data": bytes(32)}, "6700"),
        ({"data": b""}, "6700"),
    ],
)
def test_it_takes_sixteen_bytes(change: dict[str, Any], status_word: str) -> None:
    card = Card(profile(2, 0x35))
    session = open_session(card.transmit, card.keyring.groups[0], 0x13)

    assert session.send(replace(prove_presence(bytes(16)), **change)).hex() == status_word
