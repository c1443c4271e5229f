"""Keys that somebody else wrapped for a key of this token, unwrapped in it.

A file may say one thing and hold another, so a key is unwrapped as an object of the session until
its length and check value are known, and with its own attributes, in one call, after that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pkcs11 import Attribute, KeyType, Mechanism

from hsm.attributes import COMPONENT, KNOWN_KEY, READABLE_KEY, Template
from hsm.check_values import key_check_value
from hsm.handing_over import OAEP_PARAMETERS, OaepHash
from hsm.importing import naming, require_absent
from hsm.keys import KeyReference, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.reading import read_value
from hsm.secret import Secret
from hsm.token import Token
from hsm.wrapping import unwrap_by


class WrappedForm(StrEnum):
    """How a key was wrapped: RFC 3394, RFC 5649, or RSAES-OAEP (RFC 8017, section 7.1)."""

    AES_KW = "aes-kw"
    AES_KWP = "aes-kwp"
    RSA_OAEP_SHA1 = "rsa-oaep-sha1"
    RSA_OAEP_SHA256 = "rsa-oaep-sha256"

    @property
    def is_rsa(self) -> bool:
        """Whether it takes no secret to wrap a key so."""
        return self in (WrappedForm.RSA_OAEP_SHA1, WrappedForm.RSA_OAEP_SHA256)


_MEANS: Mapping[WrappedForm, tuple[Mechanism, object]] = {
    WrappedForm.AES_KW: (Mechanism.AES_KEY_WRAP, None),
    WrappedForm.AES_KWP: (Mechanism.AES_KEY_WRAP_PAD, None),
    WrappedForm.RSA_OAEP_SHA1: (Mechanism.RSA_PKCS_OAEP, OAEP_PARAMETERS[OaepHash.SHA1]),
    WrappedForm.RSA_OAEP_SHA256: (Mechanism.RSA_PKCS_OAEP, OAEP_PARAMETERS[OaepHash.SHA256]),
}


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as it came.

    Attributes:
        form: how it was wrapped.
        unwrapping: the token's key that opens it: AES, or the private half of an RSA key pair.
        content: the bytes that came.
    """

    form: WrappedForm
    unwrapping: TokenKey
    content: bytes


def wrapped_length(token: Token, wrapped: WrappedKey) -> int:
    """Return how long a wrapped key is, in bytes; 0 where the token does not tell.

    Raises:
        WrappedKeyInvalid: it was wrapped by another key, or changed since.
        MechanismUnavailable: the token does not unwrap this form.
    """
    with token.operation() as operation:
        anything = KeyShape(KeyType.GENERIC_SECRET, 0)
        return token.length_of(_unwrap(operation, wrapped, anything, KNOWN_KEY).handle)


def wrapped_check_value(token: Token, wrapped: WrappedKey, shape: KeyShape) -> bytes:
    """Return the 3-byte check value of a wrapped key of a cipher, which is unwrapped for it.

    Raises:
        WrappedKeyInvalid, MechanismUnavailable: as wrapped_length does.
    """
    with token.operation() as operation:
        return key_check_value(_unwrap(operation, wrapped, shape, COMPONENT))


def is_found_again(token: Token, wrapped: WrappedKey, shape: KeyShape, template: Template) -> bool:
    """Say whether the token would know the length of a key that it keeps with these attributes.

    SoftHSM 2.6 forgets that of an AES key, which is measured only if it can leave (lengths.py).
    """
    if not (shape.is_aes or shape.is_generic):
        return True
    with token.operation() as operation:
        tried = _unwrap(operation, wrapped, shape, {**template, Attribute.TOKEN: False})
        return token.length_of(tried.handle) == shape.length


def keep_unwrapped(
    token: Token,
    wrapped: WrappedKey,
    reference: KeyReference,
    shape: KeyShape,
    template: Template,
) -> TokenKey:
    """Put a wrapped key into the token under a new label and id, in one call.

    Args:
        token: opened writable.
        wrapped: the key.
        reference: the label and version that it gets.
        shape: what it is, which was found out before.
        template: its attributes.

    Raises:
        KeyExists: the label and id are taken.
        WrappedKeyInvalid, MechanismUnavailable: as wrapped_length does.
    """
    require_absent(token, reference)
    named = {**template, **naming(reference)}
    handle = unwrap_by(
        _MEANS[wrapped.form], wrapped.unwrapping, wrapped.content, shape.key_type, named
    )
    return TokenKey(handle, shape)


def read_unwrapped(token: Token, wrapped: WrappedKey, shape: KeyShape) -> Secret:
    """Return the value of a wrapped key, for a token that could not keep it unwrapped.

    Raises:
        WrappedKeyInvalid, MechanismUnavailable: as wrapped_length does.
    """
    with token.operation() as operation:
        return read_value(_unwrap(operation, wrapped, shape, READABLE_KEY))


def _unwrap(
    operation: Operation, wrapped: WrappedKey, shape: KeyShape, template: Template
) -> TokenKey:
    means = _MEANS[wrapped.form]
    handle = unwrap_by(means, wrapped.unwrapping, wrapped.content, shape.key_type, template)
    return operation.own(handle, shape)
