"""What the token says of a key is exactly what the template of its purpose says."""

from collections.abc import Iterator

import pkcs11
import pytest
from pkcs11 import Attribute

from hsm import attributes
from hsm.attributes import Template
from hsm.importing import destroy_key, generate_key, import_key, import_session_key
from hsm.kdf import derive_cmac_counter, derive_ecb
from hsm.keys import (
    AES_128,
    AES_192,
    AES_256,
    CIPHER_SHAPES,
    DES2,
    SECRET_32,
    SHAPES,
    KeyReference,
    KeyShape,
    TokenKey,
)
from hsm.reading import read_value
from hsm.secret import Secret
from hsm.token import Token

OF_AES = {
    "card key": attributes.AES_CARD_KEY,
    "new card key": attributes.NEW_CARD_KEY,
    "session encryption key": attributes.SESSION_ENC_KEY,
    "session MAC key": attributes.AES_SESSION_MAC_KEY,
    "data encryption key": attributes.DATA_ENCRYPTION_KEY,
    "delivered key": attributes.DELIVERED_KEY,
}
OF_DES = OF_AES | {
    "card key": attributes.DES_CARD_KEY,
    "session MAC key": attributes.DES_SESSION_MAC_KEY,
}
PERSISTENT = {
    "master key": attributes.MASTER_KEY,
    "undiversified key": attributes.UNDIVERSIFIED_KEY,
    "HMAC master key": attributes.HMAC_MASTER_KEY,
    "transport key": attributes.TRANSPORT_KEY,
    "service MAC key": attributes.SERVICE_MAC_KEY,
    "service MAC key in steps": attributes.SERVICE_MAC_KEY_IN_STEPS,
}
# What python-pkcs11 shows of a key's powers, by the attribute that grants them.
METHODS = {
    Attribute.ENCRYPT: "encrypt",
    Attribute.DECRYPT: "decrypt",
    Attribute.SIGN: "sign",
    Attribute.VERIFY: "verify",
    Attribute.WRAP: "wrap_key",
    Attribute.UNWRAP: "unwrap_key",
    Attribute.DERIVE: "derive_key",
}

each_aes_shape = pytest.mark.parametrize(
    "shape", [AES_128, AES_192, AES_256], ids=lambda s: s.length
)
reference = KeyReference("a key of test_attributes", 1)


@pytest.fixture
def imported(hsm_token: Token, request: pytest.FixtureRequest) -> Iterator[TokenKey]:
    """A key that came from outside, with the template of the test's parameter."""
    shape, template = request.param
    yield import_key(hsm_token, reference, Secret(bytes(range(shape.length))), shape, template)
    destroy_key(hsm_token, reference)


@each_aes_shape
@pytest.mark.parametrize("purpose", OF_AES)
def test_a_derived_aes_key_has_the_attributes_of_its_purpose(
    hsm_token: Token, aes_master: TokenKey, purpose: str, shape: KeyShape
) -> None:
    template = OF_AES[purpose]
    with hsm_token.operation() as operation:
        messages = [[b"message"] * -(-shape.length // 16)]

        (key,) = derive_cmac_counter(operation, aes_master, messages, shape, template)

        _require_exactly(key, template, never_left=True)
        assert key.handle[Attribute.VALUE_LEN] == shape.length


@pytest.mark.parametrize("purpose", OF_DES)
def test_a_derived_triple_des_key_has_the_attributes_of_its_purpose(
    hsm_token: Token, des_master: TokenKey, purpose: str
) -> None:
    template = OF_DES[purpose]
    with hsm_token.operation() as operation:
        key = derive_ecb(operation, des_master, bytes(range(16)), DES2, template)

        _require_exactly(key, template, never_left=True)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.key_type.name}-{s.length}")
@pytest.mark.parametrize("purpose", PERSISTENT)
def test_a_generated_key_has_the_attributes_of_its_purpose(
    hsm_token: Token, purpose: str, shape: KeyShape
) -> None:
    template = PERSISTENT[purpose]
    key = generate_key(hsm_token, reference, shape, template)
    try:
        _require_exactly(key, template, never_left=True)
        assert key.handle[Attribute.LOCAL] is True
    finally:
        destroy_key(hsm_token, reference)


@pytest.mark.parametrize(
    "imported", [(shape, attributes.MASTER_KEY) for shape in CIPHER_SHAPES], indirect=True
)
def test_a_key_that_came_from_outside_is_known_for_it_and_so_are_its_derivatives(
    hsm_token: Token, imported: TokenKey
) -> None:
    _require_exactly(imported, attributes.MASTER_KEY, never_left=False)
    assert imported.handle[Attribute.LOCAL] is False
    with hsm_token.operation() as operation:
        key = derive_ecb(operation, imported, bytes(16), DES2, attributes.DES_CARD_KEY)
        _require_exactly(key, attributes.DES_CARD_KEY, never_left=False)


@pytest.mark.parametrize(
    "template", [*OF_AES.values(), *OF_DES.values(), *PERSISTENT.values(), attributes.COMPONENT]
)
def test_every_template_hides_the_value_and_says_all_that_it_denies(template: Template) -> None:
    assert template[Attribute.PRIVATE] is True
    assert template[Attribute.SENSITIVE] is True
    assert template[Attribute.MODIFIABLE] is False
    assert METHODS.keys() | {Attribute.TOKEN, Attribute.EXTRACTABLE} <= template.keys()


def test_keys_that_can_leave_are_those_that_go_to_a_card_or_a_caller() -> None:
    templates = [*OF_AES.values(), *OF_DES.values(), *PERSISTENT.values()]
    leaving = [template for template in templates if template[Attribute.EXTRACTABLE]]

    assert all(each in (attributes.NEW_CARD_KEY, attributes.DELIVERED_KEY) for each in leaving)
    assert _granted(attributes.NEW_CARD_KEY) == {Attribute.ENCRYPT}
    assert _granted(attributes.DELIVERED_KEY) == set()


def test_keys_that_wrap_are_transport_keys_and_deks_and_none_unwraps() -> None:
    templates = [*OF_AES.values(), *OF_DES.values(), *PERSISTENT.values()]
    wrapping = [template for template in templates if template[Attribute.WRAP]]

    assert all(
        each
        in (
            attributes.DATA_ENCRYPTION_KEY,
            attributes.TRANSPORT_KEY,
            attributes.UNDIVERSIFIED_KEY,
        )
        for each in wrapping
    )
    assert not any(template[Attribute.UNWRAP] for template in templates)


def test_a_readable_key_is_readable_and_no_more_than_a_new_card_key(
    hsm_token: Token, des_master: TokenKey
) -> None:
    data = bytes(range(16))
    with hsm_token.operation() as operation:
        key = derive_ecb(operation, des_master, data, DES2, attributes.READABLE_KEY)

        assert key.handle[Attribute.VALUE] == read_value(key).reveal()
        assert key.handle[Attribute.SENSITIVE] is False
    assert _granted(attributes.READABLE_KEY) == {Attribute.ENCRYPT}
    assert attributes.READABLE_KEY[Attribute.TOKEN] is False


def test_an_hmac_master_key_signs_and_does_nothing_else(hsm_token: Token) -> None:
    with hsm_token.operation() as operation:
        template = {**attributes.HMAC_MASTER_KEY, Attribute.TOKEN: False}
        key = import_session_key(operation, Secret(bytes(32)), SECRET_32, template)

        assert {name for name, method in METHODS.items() if hasattr(key.handle, method)} == {
            Attribute.SIGN
        }


@pytest.mark.parametrize(
    "imported", [(AES_128, attributes.SERVICE_MAC_KEY)], indirect=True, ids=["AES"]
)
@pytest.mark.parametrize("attribute", [Attribute.ENCRYPT, Attribute.EXTRACTABLE, Attribute.DERIVE])
def test_nobody_gives_a_key_another_power_later(imported: TokenKey, attribute: Attribute) -> None:
    with pytest.raises(pkcs11.PKCS11Error):
        imported.handle[attribute] = True

    assert imported.handle[attribute] is False


def _granted(template: Template) -> set[Attribute]:
    return {name for name in METHODS if template[name]}


def _require_exactly(key: TokenKey, template: Template, *, never_left: bool) -> None:
    for attribute, wanted in template.items():
        assert key.handle[attribute] == wanted, attribute
    for attribute, method in METHODS.items():
        assert hasattr(key.handle, method) is template[attribute]
    assert key.handle[Attribute.ALWAYS_SENSITIVE] is never_left
    never_extractable = never_left and not template[Attribute.EXTRACTABLE]
    assert key.handle[Attribute.NEVER_EXTRACTABLE] is never_extractable
    with pytest.raises(pkcs11.AttributeSensitive):
        key.handle[Attribute.VALUE]
