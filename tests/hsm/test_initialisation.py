"""Initialising a blank token."""

from dataclasses import replace

import pytest

from hsm.errors import HsmError
from hsm.initialisation import initialise_token
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import open_token
from tests.softhsm.tokens import SO_PIN, USER_PIN, SoftHsm


def test_an_initialised_token_has_the_label_the_pin_and_the_serial_number_that_is_told(
    softhsm: SoftHsm,
) -> None:
    blank = TokenAddress(softhsm.module, "Grüße, thirty-two bytes or so", None, softhsm.environment)

    serial = initialise_token(blank, Secret(SO_PIN), Secret(b"pin of its own"))

    with open_token(replace(blank, serial=serial), Secret(b"pin of its own")) as token:
        assert token.list_keys() == []


@pytest.mark.parametrize("label", ["", "x" * 33, "ü" * 17])
def test_a_label_has_1_to_32_bytes(softhsm: SoftHsm, label: str) -> None:
    blank = TokenAddress(softhsm.module, label, None, softhsm.environment)

    with pytest.raises(HsmError) as refusal:
        initialise_token(blank, Secret(SO_PIN), Secret(USER_PIN))

    assert str(refusal.value) == (f"a token's label has 1 to 32 bytes, not {len(label.encode())}")


def test_a_pin_that_the_token_finds_too_short_is_refused_without_a_word_of_it(
    softhsm: SoftHsm,
) -> None:
    blank = TokenAddress(softhsm.module, "short pins", None, softhsm.environment)

    with pytest.raises(HsmError) as refusal:
        initialise_token(blank, Secret(b"xyz"), Secret(b"xyz"))

    assert "xyz" not in repr(refusal.value)
