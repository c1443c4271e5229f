"""A key is told from another of its shape by whatever its attributes allow."""

from collections.abc import Callable

import pytest

from hsm.attributes import (
    DELIVERED_KEY,
    DES_CARD_KEY,
    MASTER_KEY,
    SERVICE_MAC_KEY,
    Template,
)
from hsm.identity import KeyIdentity, identity
from hsm.importing import import_session_key
from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, KeyShape
from hsm.secret import Secret
from hsm.token import Token

Identify = Callable[[Template, KeyShape, int], KeyIdentity]


@pytest.fixture
def identify(hsm_token: Token) -> Identify:
    """Put a key of repeated bytes into the token for a moment, and say what it is."""

    def of(template: Template, shape: KeyShape, byte: int) -> KeyIdentity:
        template = {key: value for key, value in template.items() if key.name != "TOKEN"}
        with hsm_token.operation() as operation:
            value = Secret(bytes([byte]) * shape.length)
            return identity(hsm_token, import_session_key(operation, value, shape, template))

    return of


@pytest.mark.parametrize("shape", [AES_128, AES_192, AES_256, DES2, DES3], ids=str)
@pytest.mark.parametrize(
    "template", [MASTER_KEY, DES_CARD_KEY], ids=["encrypts and derives", "derives only"]
)
def test_two_keys_of_one_shape_differ_and_one_key_is_itself(
    identify: Identify, template: Template, shape: KeyShape
) -> None:
    one, same, other = (identify(template, shape, byte) for byte in (0x01, 0x01, 0x02))

    assert one == same
    assert one != other
    assert len(one.check_value) == 3


def test_so_do_keys_that_only_sign(identify: Identify) -> None:
    assert identify(SERVICE_MAC_KEY, AES_256, 1) != identify(SERVICE_MAC_KEY, AES_256, 2)


def test_a_key_that_computes_nothing_is_known_by_its_shape_alone(identify: Identify) -> None:
    assert identify(DELIVERED_KEY, AES_128, 1) == KeyIdentity(AES_128, b"")
