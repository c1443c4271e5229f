"""Keys that come into the token from outside: combined from components, or made there."""

from collections.abc import Sequence
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism

from hsm.attributes import COMPONENT, Template
from hsm.check_values import key_check_value
from hsm.errors import ComponentInvalid, KeyExists, hsm_errors
from hsm.keys import KeyReference, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token

_GENERATION = {
    KeyType.AES: Mechanism.AES_KEY_GEN,
    KeyType.DES2: Mechanism.DES2_KEY_GEN,
    KeyType.DES3: Mechanism.DES3_KEY_GEN,
    KeyType.GENERIC_SECRET: Mechanism.GENERIC_SECRET_KEY_GEN,
}


def combine(components: Sequence[Secret], shape: KeyShape) -> Secret:
    """XOR components into one key value; a triple DES key gets odd parity.

    Parity bits carry no key material, and some tokens refuse keys without odd parity.

    Raises:
        ComponentInvalid: there is none, or one is not as long as the key.
    """
    if not components:
        raise ComponentInvalid("a key needs at least one component")
    combined = bytearray(shape.length)
    for number, component in enumerate(components, start=1):
        if len(component) != shape.length:
            raise ComponentInvalid(
                f"component {number} has {len(component)} bytes and should have {shape.length}"
            )
        for at, byte in enumerate(component.reveal()):
            combined[at] ^= byte
    value = Secret(combined)
    combined[:] = bytes(len(combined))
    if not (shape.is_aes or shape.is_generic):
        set_odd_parity(value)
    return value


def set_odd_parity(value: Secret) -> None:
    """Set the lowest bit of each byte of a DES key so that the byte has odd parity."""
    key = value.reveal()
    for at, byte in enumerate(key):
        key[at] = byte & 0xFE | (byte >> 1).bit_count() + 1 & 1


def check_value_of_component(token: Token, component: Secret, shape: KeyShape) -> bytes:
    """Return a component's 3-byte check value, computed in the token as if it were a key."""
    with token.operation() as operation:
        handle = _create(token, component, shape, COMPONENT)
        return key_check_value(operation.own(handle, shape))


def import_session_key(
    operation: Operation, value: Secret, shape: KeyShape, template: Template
) -> TokenKey:
    """Put a key into the token for the length of an operation."""
    return operation.own(_create(operation, value, shape, template), shape)


def import_key(
    token: Token, reference: KeyReference, value: Secret, shape: KeyShape, template: Template
) -> TokenKey:
    """Put a key into the token under a new label and id.

    Raises:
        KeyExists: the label and id are taken.
    """
    require_absent(token, reference)
    handle = _create(token, value, shape, {**template, **naming(reference)})
    return TokenKey(handle, shape)


@hsm_errors
def generate_key(
    token: Token, reference: KeyReference, shape: KeyShape, template: Template
) -> TokenKey:
    """Make a random key in the token under a new label and id.

    Raises:
        KeyExists: the label and id are taken.
    """
    require_absent(token, reference)
    handle = token.session.generate_key(
        shape.key_type,
        shape.length * 8,
        mechanism=_GENERATION[shape.key_type],
        template={**template, **naming(reference)},
        store=True,
    )
    return TokenKey(handle, shape)


@hsm_errors
def generate_session_key(operation: Operation, shape: KeyShape, template: Template) -> TokenKey:
    """Make a random key in the token for the length of an operation."""
    handle = operation.session.generate_key(
        shape.key_type,
        shape.length * 8,
        mechanism=_GENERATION[shape.key_type],
        template={**template},
        store=False,
    )
    return operation.own(handle, shape)


@hsm_errors
def destroy_key(token: Token, reference: KeyReference) -> None:
    """Destroy a key for good.

    Raises:
        KeyNotFound: there is no such key.
    """
    token.find_key(reference).handle.destroy()


def require_absent(token: Token, reference: KeyReference) -> None:
    """Make sure that a label and id are free.

    Raises:
        KeyExists: they are taken, perhaps more than once.
    """
    if token.find_keys(reference):
        raise KeyExists(f"{reference} is in the token already")


def naming(reference: KeyReference) -> Template:
    """Return the attributes that a persistent key is found by."""
    return {Attribute.LABEL: reference.label, Attribute.ID: reference.id}


@hsm_errors
def _create(owner: Token | Operation, value: Secret, shape: KeyShape, template: Template) -> Any:  # noqa: ANN401  see TokenKey
    return owner.session.create_object(
        {
            **template,
            Attribute.KEY_TYPE: shape.key_type,
            Attribute.VALUE: bytes(value.reveal()),
        }
    )
