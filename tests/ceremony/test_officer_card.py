"""Officers sign with their cards: real ones to OpenSC and pcscd, which the tests emulate."""

import pytest

from hsm.errors import (
    KeyNotFound,
    ModuleUnavailable,
    PinRefused,
    TokenLost,
    TokenNotFound,
)
from hsm.secret import Secret
from hsm.smart_card import PinTries
from tests.ceremony.cards import PIN, card_of, place
from tests.pcsc.faults import SilentCard, VanishingCard
from tests.pcsc.fixtures import PutInReader
from tests.piv_card.card import GENERAL_AUTHENTICATE
from tests.quorum.officers import public_hex
from tmsd.ceremony.binding import CardOfOfficer
from tmsd.ceremony.officer_card import OfficerCard, cards_in_readers
from tmsd.quorum.officer_key import has_signed

MESSAGE = b"what they approve"


class Asked:
    """Who is asked for a PIN: types these, one after another, and remembers what for."""

    def __init__(self, *pins: str) -> None:
        self.prompts: list[str] = []
        self.given: list[Secret] = []
        self._pins = iter(pins)

    def __call__(self, what: str) -> Secret:
        self.prompts.append(what)
        self.given.append(Secret(next(self._pins).encode()))
        return self.given[-1]


def officer_card(name: str, asked: Asked, at: CardOfOfficer | None = None) -> OfficerCard:
    return OfficerCard(at or place(), bytes.fromhex(public_hex(name)), asked)


@pytest.mark.parametrize("name", ["anna", "berta", "dora"])
def test_a_card_signs_by_the_key_that_is_pinned(put_in_reader: PutInReader, name: str) -> None:
    card = card_of(name)
    put_in_reader(card)
    asked = Asked(PIN)

    signature = officer_card(name, asked).sign(MESSAGE)

    assert has_signed(bytes.fromhex(public_hex(name)), MESSAGE, signature)
    assert asked.prompts == [f"PIN of card '{name.capitalize()} Example'"]
    assert bytes(asked.given[0].reveal()) == bytes(len(PIN))
    assert card.signatures == 1


def test_officers_are_found_by_their_keys_or_by_label_and_serial(
    put_in_reader: PutInReader,
) -> None:
    put_in_reader(card_of("anna"))
    put_in_reader(card_of("berta"))
    serials = {card.label: card.serial for card in cards_in_readers(place())}
    of_anna = place(serial=serials["Anna Example"])

    for name, at in (("berta", place()), ("anna", of_anna), ("berta", place("Berta Example"))):
        signature = officer_card(name, Asked(PIN), at).sign(MESSAGE)
        assert has_signed(bytes.fromhex(public_hex(name)), MESSAGE, signature)
    with pytest.raises(KeyNotFound, match="none has the key that is pinned"):
        officer_card("berta", Asked(), of_anna).sign(MESSAGE)


def test_a_wrong_pin_is_tried_once_and_the_right_one_serves(put_in_reader: PutInReader) -> None:
    card = card_of("anna")
    put_in_reader(card)
    asked = Asked("999999", PIN)
    signer = officer_card("anna", asked)

    with pytest.raises(PinRefused, match=r"card 'Anna Example' .* refused the PIN"):
        signer.sign(MESSAGE)
    assert card.tries_left == 2

    signer.sign(MESSAGE)
    assert card.tries_left == 3
    assert len(asked.prompts) == 2


def test_the_last_try_is_told_before_the_pin_is_asked_for(put_in_reader: PutInReader) -> None:
    put_in_reader(card_of("anna", tries=2))
    asked = Asked("999999", PIN)
    signer = officer_card("anna", asked)

    with pytest.raises(PinRefused, match="one try is left, and a wrong PIN blocks it"):
        signer.sign(MESSAGE)
    signer.sign(MESSAGE)

    assert asked.prompts[1] == "PIN of card 'Anna Example', of which one try is left"


def test_a_card_that_is_blocked_is_not_asked_for_a_pin(put_in_reader: PutInReader) -> None:
    put_in_reader(card_of("anna", tries=1))
    asked = Asked("999999")
    signer = officer_card("anna", asked)

    with pytest.raises(PinRefused, match="it is blocked now"):
        signer.sign(MESSAGE)
    with pytest.raises(PinRefused, match="is blocked, after too many wrong PINs"):
        signer.sign(MESSAGE)

    assert len(asked.prompts) == 1
    assert cards_in_readers(place())[0].tries is PinTries.NONE


def test_what_can_be_no_pin_costs_no_try(put_in_reader: PutInReader) -> None:
    card = card_of("anna")
    put_in_reader(card)
    for pin in ("abcdef", "123456789"):
        with pytest.raises(PinRefused, match="no try was used") as refused:
            officer_card("anna", Asked(pin)).sign(MESSAGE)
        assert pin not in str(refused.value)
    assert card.tries_left == 3


def test_a_key_that_is_on_two_cards_is_nobodys(put_in_reader: PutInReader) -> None:
    put_in_reader(card_of("anna"))
    put_in_reader(card_of("anna"))

    with pytest.raises(KeyNotFound, match="two keys fit"):
        officer_card("anna", Asked()).sign(MESSAGE)


@pytest.mark.usefixtures("pcscd")
def test_a_card_that_is_in_no_reader_is_missed() -> None:
    with pytest.raises(TokenNotFound, match="the card 'Anna Example' is in no reader"):
        officer_card("anna", Asked(), place("Anna Example")).sign(MESSAGE)


def test_a_card_that_is_pulled_out_in_the_middle_is_lost(put_in_reader: PutInReader) -> None:
    put_in_reader(VanishingCard(card_of("anna"), GENERAL_AUTHENTICATE))

    with pytest.raises(TokenLost):
        officer_card("anna", Asked(PIN)).sign(MESSAGE)


def test_a_reader_that_does_not_answer_does_not_hold_the_ceremony_up(
    put_in_reader: PutInReader,
) -> None:
    card = SilentCard(card_of("anna"), GENERAL_AUTHENTICATE)
    put_in_reader(card)
    signer = OfficerCard(place(), bytes.fromhex(public_hex("anna")), Asked(PIN, PIN), seconds=1)

    with pytest.raises(TokenLost, match="the reader did not answer within 1 s"):
        signer.sign(MESSAGE)
    card.let_go.set()

    assert has_signed(signer.public_key, MESSAGE, officer_card("anna", Asked(PIN)).sign(MESSAGE))


def test_a_module_that_is_none_is_told() -> None:
    at = CardOfOfficer(module=place().module.with_name("libc.so.6"))

    with pytest.raises(ModuleUnavailable):
        officer_card("anna", Asked(), at).sign(MESSAGE)
