"""What was made to be read is read; nothing else is."""

import pytest
from pkcs11 import AttributeSensitive

from hsm import attributes
from hsm.attributes import Template
from hsm.errors import HsmError
from hsm.importing import import_session_key
from hsm.keys import AES_128, DES2, KeyShape
from hsm.reading import read_value
from hsm.secret import Secret
from hsm.token import Token

VALUE = bytes(range(1, 17))


@pytest.mark.parametrize("shape", [AES_128, DES2], ids=["AES", "DES"])
def test_a_readable_key_gives_its_value_as_a_secret(hsm_token: Token, shape: KeyShape) -> None:
    with hsm_token.operation() as operation:
        key = import_session_key(operation, Secret(VALUE), shape, attributes.READABLE_KEY)

        value = read_value(key)

    assert isinstance(value, Secret)
    assert value.reveal() == VALUE


@pytest.mark.parametrize(
    "template",
    [
        attributes.NEW_CARD_KEY,
        attributes.DELIVERED_KEY,
        attributes.AES_CARD_KEY,
        attributes.SESSION_ENC_KEY,
        attributes.AES_SESSION_MAC_KEY,
        attributes.DATA_ENCRYPTION_KEY,
        attributes.COMPONENT,
    ],
)
def test_no_other_key_gives_its_value(hsm_token: Token, template: Template) -> None:
    with hsm_token.operation() as operation:
        key = import_session_key(operation, Secret(VALUE), AES_128, template)

        with pytest.raises(HsmError, match=AttributeSensitive.__name__) as refusal:
            read_value(key)

    assert VALUE.hex() not in str(refusal.value)
