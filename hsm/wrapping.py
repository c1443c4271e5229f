"""Keys leaving the token encrypted under another key of the token, and coming back."""

from typing import Any

from pkcs11 import KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import (
    ArgumentsBad,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
    KeyNotWrappable,
    MechanismInvalid,
    MechanismParamInvalid,
    PKCS11Error,
    WrappedKeyInvalid,
    WrappedKeyLenRange,
)

from hsm import errors
from hsm.attributes import Template, in_order
from hsm.direct import AES_KEY_WRAP, DES3_ECB, cbc
from hsm.errors import MechanismUnavailable, hsm_errors
from hsm.importing import naming, require_absent
from hsm.keys import KeyReference, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.token import Token

# What tokens say where RFC 3394's check fails; SoftHSM has CKR_GENERAL_ERROR for it.
INTEGRITY = (
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
    WrappedKeyInvalid,
    WrappedKeyLenRange,
)

_INTEGRITY_LENGTH = 8  # RFC 3394, section 2.2.3.1


@hsm_errors
def wrap_for_transport(wrapping: TokenKey, key: TokenKey) -> bytes:
    """Encrypt a key's value under an AES key by AES key wrap (RFC 3394): 8 bytes longer.

    Raises:
        MechanismUnavailable: the token does not wrap with CKM_AES_KEY_WRAP.
    """
    if wrapping.direct and (wrapped := wrapping.direct.wrap(AES_KEY_WRAP, key.handle.handle)):
        return wrapped
    wrap = wrapping.method("wrap_key")
    try:
        return bytes(wrap(key.handle, mechanism=Mechanism.AES_KEY_WRAP))
    except (MechanismInvalid, KeyNotWrappable) as error:
        raise MechanismUnavailable("the token does not wrap keys with CKM_AES_KEY_WRAP") from error


@hsm_errors
def wrap_key(wrapping: TokenKey, key: TokenKey) -> bytes:
    """Encrypt a key's value: AES-CBC with a zero IV, or 3DES-ECB, as PUT KEY wants it.

    Args:
        wrapping: the key that encrypts; it needs CKA_WRAP.
        key: the key that leaves; it needs CKA_EXTRACTABLE.

    Raises:
        MechanismUnavailable: the token does not wrap with this mechanism.
    """
    iv = bytes(wrapping.shape.block)
    means = cbc(Mechanism.AES_CBC, iv) if wrapping.shape.is_aes else DES3_ECB
    if wrapping.direct and (wrapped := wrapping.direct.wrap(means, key.handle.handle)):
        return wrapped
    if wrapping.shape.is_aes:
        return bytes(
            wrapping.method("wrap_key")(key.handle, mechanism=Mechanism.AES_CBC, mechanism_param=iv)
        )
    try:
        return bytes(wrapping.method("wrap_key")(key.handle, mechanism=Mechanism.DES3_ECB))
    except (MechanismInvalid, KeyNotWrappable) as error:
        raise MechanismUnavailable("the token does not wrap keys with CKM_DES3_ECB") from error


def unwrap_key(
    token: Token,
    unwrapping: TokenKey,
    reference: KeyReference,
    wrapped: bytes,
    wanted: tuple[KeyShape, Template],
) -> TokenKey:
    """Put a key back that left by `wrap_for_transport`, under a new label and id.

    Args:
        token: opened writable.
        unwrapping: needs CKA_UNWRAP.
        reference: the label and version that it gets.
        wrapped: 8 bytes longer than the key.
        wanted: what it is, and the attributes that it gets.

    Raises:
        KeyExists: the label and id are taken.
        WrappedKeyInvalid: it was wrapped by another key, or changed since.
        MechanismUnavailable: the token does not unwrap with CKM_AES_KEY_WRAP.
    """
    require_absent(token, reference)
    shape, template = wanted
    handle = _unwrap(unwrapping, wrapped, shape, {**naming(reference), **template})
    return TokenKey(handle, shape)


def unwrap_session_key(
    operation: Operation,
    unwrapping: TokenKey,
    wrapped: bytes,
    shape: KeyShape,
    template: Template,
) -> TokenKey:
    """Put a key back for the length of an operation.

    Raises:
        WrappedKeyInvalid, MechanismUnavailable: as unwrap_key says.
    """
    return operation.own(_unwrap(unwrapping, wrapped, shape, template), shape)


def _unwrap(unwrapping: TokenKey, wrapped: bytes, shape: KeyShape, template: Template) -> Any:  # noqa: ANN401  see TokenKey
    if len(wrapped) != shape.length + _INTEGRITY_LENGTH:
        raise errors.WrappedKeyInvalid(
            f"{len(wrapped)} bytes are not a key of {shape.length}, wrapped"
        )
    return unwrap_by((Mechanism.AES_KEY_WRAP, None), unwrapping, wrapped, shape.key_type, template)


@hsm_errors
def unwrap_by(
    means: tuple[Mechanism, object],
    unwrapping: TokenKey,
    wrapped: bytes,
    key_type: KeyType,
    template: Template,
) -> Any:  # noqa: ANN401  see TokenKey
    """Return the handle of a key that C_UnwrapKey makes.

    Args:
        means: the mechanism and its parameter.
        unwrapping: needs CKA_UNWRAP.
        wrapped: what came.
        key_type: what it is taken for.
        template: the attributes that it gets.

    Raises:
        WrappedKeyInvalid: it was wrapped by another key, or changed since.
        MechanismUnavailable: the token does not unwrap by these means.
    """
    mechanism, parameter = means
    try:
        return unwrapping.method("unwrap_key")(
            ObjectClass.SECRET_KEY,
            key_type,
            wrapped,
            mechanism=mechanism,
            mechanism_param=parameter,
            template=in_order(template),
        )
    except (ArgumentsBad, MechanismInvalid, MechanismParamInvalid) as error:
        raise MechanismUnavailable(
            f"the token does not unwrap keys with CKM_{mechanism.name}, or not with this parameter"
        ) from error
    except INTEGRITY as error:
        raise not_unwrapped(error) from error


def not_unwrapped(error: PKCS11Error) -> errors.WrappedKeyInvalid:
    """Return what it means that a token does not unwrap."""
    return errors.WrappedKeyInvalid(
        f"the token does not unwrap it ({type(error).__name__}): "
        "it was wrapped by another key, or changed since"
    )
