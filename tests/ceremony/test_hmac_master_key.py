"""Master keys for HMAC: from components, or made in the token; and what the token does with them.

The figures were computed apart from this project: the Dogtag scheme for KDD
a00192030405060708c9.
"""

import hmac
import os
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute

from hsm.attributes import HMAC_MASTER_KEY
from hsm.errors import KeyUnsuitable
from hsm.hmac import filled_up, hmac_sha256
from hsm.importing import import_key as import_any
from hsm.importing import import_session_key
from hsm.keys import SECRET_16, SECRET_24, SECRET_32, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tests.ceremony.keys import FACTORY_16, check_value
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps.generate_key import generate_key
from tmsd.ceremony.steps.import_key import component_check_value, import_key
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.globalplatform.diversification import Role, nist_sp800_108_hmac
from tmsd.globalplatform.plain_key import odd_parity

Wanted = Callable[..., WantedKey]

MASTER = bytes.fromhex("0123456789abcdeffedcba9876543210")
KDD = bytes.fromhex("a00192030405060708c9")
PUBLISHED = {
    MASTER: (
        "a41acbdc0ea15e7cda980d133ee92c1c",
        "b91a753752d5f8ba3704dffb0868d34c",
        "5b154a9de313adb0687649800892469e",
    ),
    MASTER + MASTER[:8]: (
        "fdc4fd2f13ceba01eac8860dceec6efb",
        "e086e9e3d5522ace76087613389ec476",
        "ec3b6729e60d25a4cef258a7e6c449b5",
    ),
}


@pytest.fixture
def for_hmac(wanted: Wanted) -> Callable[[], WantedKey]:
    return partial(wanted, KeyAlgorithm.DES3, purpose=Purpose.HMAC_MASTER)


def flip_parity(value: bytes) -> bytes:
    return bytes(byte ^ 1 for byte in value)


@pytest.mark.parametrize("parity", [bytes, flip_parity])
@pytest.mark.parametrize("value", list(PUBLISHED), ids=len)
def test_an_imported_master_key_gives_the_card_keys_that_others_computed(
    hsm_token: Token,
    for_hmac: Callable[[], WantedKey],
    value: bytes,
    parity: Callable[[bytes], bytes],
) -> None:
    key = for_hmac()
    import_key(hsm_token, key, [Secret(parity(value)), Secret(bytes(len(value)))])
    prf = partial(hmac_sha256, hsm_token.find_key(key.reference))
    derived = [odd_parity(material) for material in nist_sp800_108_hmac(prf, list(Role), KDD)]
    assert tuple(material.hex() for material in derived) == PUBLISHED[value]


@pytest.mark.parametrize("value", list(PUBLISHED), ids=len)
def test_the_import_shows_the_check_value_that_the_triple_des_key_has(
    hsm_token: Token, for_hmac: Callable[[], WantedKey], value: bytes
) -> None:
    before = len(list(hsm_token.session.get_objects()))
    made = import_key(hsm_token, for_hmac(), [Secret(value)])
    assert made.check_value == check_value(value, KeyAlgorithm.DES3)
    assert made.shape == SECRET_32
    assert len(list(hsm_token.session.get_objects())) == before + 1


def test_a_component_shows_its_check_value_as_those_of_any_triple_des_key(
    hsm_token: Token, for_hmac: Callable[[], WantedKey]
) -> None:
    component = os.urandom(16)
    shown = component_check_value(hsm_token, for_hmac(), [Secret(component)])
    assert shown == check_value(component, KeyAlgorithm.DES3)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(FACTORY_16, "factory key"), (bytes(16), "all zeros"), (MASTER[:8] * 3, "single DES")],
)
def test_what_is_no_key_for_triple_des_is_none_for_hmac(
    hsm_token: Token, for_hmac: Callable[[], WantedKey], value: bytes, reason: str
) -> None:
    key = for_hmac()
    with pytest.raises(Refused, match=reason):
        import_key(hsm_token, key, [Secret(value)])
    assert hsm_token.find_keys(key.reference) == []


def test_a_generated_master_key_makes_macs_and_does_nothing_else(
    hsm_token: Token, for_hmac: Callable[[], WantedKey]
) -> None:
    key = for_hmac()
    made = generate_key(hsm_token, key)
    assert (made.shape, made.check_value) == (SECRET_32, None)
    found = hsm_token.find_key(key.reference)
    assert len(hmac_sha256(found, b"message")) == 32
    assert {name: found.handle[name] for name in key.template} == key.template
    assert found.handle[Attribute.NEVER_EXTRACTABLE]


@settings(deadline=None, max_examples=25)
@given(value=st.binary(min_size=1, max_size=32), data=st.binary(max_size=200))
def test_zeros_at_its_end_leave_an_hmac_key_what_it_is(value: bytes, data: bytes) -> None:
    filled = filled_up(Secret(value))
    assert len(filled) == 32
    assert hmac.digest(bytes(filled.reveal()), data, "sha256") == hmac.digest(value, data, "sha256")


@settings(deadline=None, max_examples=25)
@given(value=st.binary(min_size=32, max_size=32), data=st.binary(max_size=2000))
def test_the_token_computes_hmac_as_everybody_does(
    hsm_token: Token, value: bytes, data: bytes
) -> None:
    template = {**HMAC_MASTER_KEY, Attribute.TOKEN: False}
    with hsm_token.operation() as operation:
        key = import_session_key(operation, Secret(value), SECRET_32, template)
        assert hmac_sha256(key, data) == hmac.digest(value, data, "sha256")


@pytest.mark.parametrize("shape", [SECRET_16, SECRET_24], ids=lambda shape: shape.length)
def test_a_key_that_the_token_finds_too_short_is_told_what_helps(
    hsm_token: Token, for_hmac: Callable[[], WantedKey], shape: KeyShape
) -> None:
    key = for_hmac()
    short = import_any(hsm_token, key.reference, Secret(bytes(shape.length)), shape, key.template)
    assert hsm_token.find_key(key.reference).shape == shape
    with pytest.raises(KeyUnsuitable, match=rf"a key of {shape.length} bytes: import it anew"):
        hmac_sha256(short, b"message")
