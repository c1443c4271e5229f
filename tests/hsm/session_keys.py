"""Keys of known values as session objects, which end with their operation."""

from itertools import count

from pkcs11 import Attribute

from hsm.attributes import Template
from hsm.importing import import_key
from hsm.keys import AES_128, AES_192, AES_256, KeyReference, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token

_AES = {16: AES_128, 24: AES_192, 32: AES_256}
_numbers = count()


def session_key(
    token: Token,
    operation: Operation,
    value: bytes,
    template: Template,
    shape: KeyShape | None = None,
) -> TokenKey:
    """Put a key into the token until the operation ends; an AES key, if no shape is given."""
    reference = KeyReference(f"session key {next(_numbers)}", 1)
    in_session = {**template, Attribute.TOKEN: False}
    shape = shape or _AES[len(value)]
    key = import_key(token, reference, Secret(value), shape, in_session)
    return operation.own(key.handle, key.shape)
