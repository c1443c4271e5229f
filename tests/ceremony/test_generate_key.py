"""Generating master keys and the daemon's own keys."""

from collections.abc import Callable, Iterator

import pytest
from pkcs11 import Attribute

from hsm.attributes import SERVICE_MAC_KEY
from hsm.cmac import cmac
from hsm.errors import KeyExists
from hsm.importing import generate_key as generate_any
from hsm.keys import AES_256, DES2, KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm.tokens import USER_PIN
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps.generate_key import generate_key
from tmsd.ceremony.steps.generate_service_keys import generate_service_key, generate_service_keys
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.reserved_keys import CHANNEL_KEY, SERVICE_KEYS


@pytest.fixture
def empty_token(fresh_token: TokenAddress) -> Iterator[Token]:
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        yield token


@pytest.mark.parametrize(
    ("algorithm", "length"), [("aes128", 16), ("aes192", 24), ("aes256", 32), ("des3", 24)]
)
def test_a_master_key_is_made_in_the_token_and_never_was_elsewhere(
    hsm_token: Token, wanted: Callable[..., WantedKey], algorithm: str, length: int
) -> None:
    key = wanted(KeyAlgorithm(algorithm))
    made = generate_key(hsm_token, key)
    assert (made.reference, made.shape.length) == (key.reference, length)
    assert made.check_value is not None
    assert len(made.check_value) == 3
    handle = hsm_token.find_key(key.reference).handle
    assert handle[Attribute.LOCAL]
    assert handle[Attribute.ALWAYS_SENSITIVE]
    assert handle[Attribute.NEVER_EXTRACTABLE]


@pytest.mark.parametrize("purpose", [Purpose.UNDIVERSIFIED, Purpose.TRANSPORT])
@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_a_key_of_every_algorithm_is_made_for_every_purpose_of_a_cipher(
    hsm_token: Token,
    wanted: Callable[..., WantedKey],
    algorithm: KeyAlgorithm,
    purpose: Purpose,
) -> None:
    key = wanted(algorithm, purpose=purpose)
    made = generate_key(hsm_token, key)
    assert made.shape == key.token_shapes[0]
    assert made.check_value is not None
    handle = hsm_token.find_key(key.reference).handle
    assert {name: handle[name] for name in key.template} == key.template


def test_a_triple_des_key_that_cards_hold_themselves_has_two_keys(
    hsm_token: Token, wanted: Callable[..., WantedKey]
) -> None:
    key = wanted(KeyAlgorithm.DES3, purpose=Purpose.UNDIVERSIFIED)
    assert generate_key(hsm_token, key).shape is DES2


def test_a_taken_label_and_version_is_refused(
    hsm_token: Token, wanted: Callable[..., WantedKey]
) -> None:
    key = wanted(KeyAlgorithm.AES128)
    generate_key(hsm_token, key)
    with pytest.raises(KeyExists):
        generate_key(hsm_token, key)


def test_each_of_the_daemons_keys_gets_the_version_after_its_last(empty_token: Token) -> None:
    first = generate_service_keys(empty_token)
    assert [key.reference for key in first] == [KeyReference(name, 1) for name in SERVICE_KEYS]
    assert generate_service_key(empty_token, CHANNEL_KEY).reference == KeyReference(CHANNEL_KEY, 2)
    versions = {str(key.reference): key.reference.version for key in first}
    assert set(versions.values()) == {1}
    assert len(empty_token.list_keys()) == len(SERVICE_KEYS) + 1


def test_a_key_of_the_daemon_makes_macs_and_has_no_check_value(empty_token: Token) -> None:
    made = generate_service_key(empty_token, CHANNEL_KEY)
    assert (made.shape, made.check_value) == (AES_256, None)
    assert len(cmac(empty_token.find_key(made.reference), b"message")) == 16


def test_after_the_last_version_there_is_no_next(empty_token: Token) -> None:
    generate_any(empty_token, KeyReference(CHANNEL_KEY, 255), AES_256, SERVICE_MAC_KEY)
    with pytest.raises(Refused, match="'tmsd-channel' version 255 is the last"):
        generate_service_key(empty_token, CHANNEL_KEY)


def test_no_other_label_is_one_of_the_daemons(empty_token: Token) -> None:
    with pytest.raises(Refused, match="'pilot' is not one of the daemon's keys: tmsd-channel, "):
        generate_service_key(empty_token, "pilot")
    assert empty_token.list_keys() == []
