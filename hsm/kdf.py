"""Key derivation inside the token, with the mechanisms of PKCS#11 2.40 alone.

CKM_*_ENCRYPT_DATA (PKCS#11 2.40, section 2.15) make a key whose value is an encryption
under the base key, and hand out its handle only. The CMAC-based KDF is built on them: all
of a CMAC but its last encryption is done with C_Encrypt, and the last one is the
derivation, so the derived value never leaves the token.
"""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

from pkcs11 import Attribute, Mechanism
from pkcs11.constants import DEFAULT

from hsm.attributes import Template, in_order
from hsm.ciphers import encrypt_ecb
from hsm.cmac import exclusive_or, masked_last_block
from hsm.direct import AttributeArray, means
from hsm.errors import hsm_errors
from hsm.keys import KeyShape, TokenKey
from hsm.operation import Operation


class _StringData(ctypes.Structure):
    """CK_KEY_DERIVATION_STRING_DATA."""

    _fields_ = (("pData", ctypes.c_char_p), ("ulLen", ctypes.c_ulong))


class _DesCbcData(ctypes.Structure):
    """CK_DES_CBC_ENCRYPT_DATA_PARAMS."""

    _fields_ = (
        ("iv", ctypes.c_ubyte * 8),
        ("pData", ctypes.c_char_p),
        ("length", ctypes.c_ulong),
    )


class _AesCbcData(ctypes.Structure):
    """CK_AES_CBC_ENCRYPT_DATA_PARAMS."""

    _fields_ = (
        ("iv", ctypes.c_ubyte * 16),
        ("pData", ctypes.c_char_p),
        ("length", ctypes.c_ulong),
    )


class _Built(NamedTuple):
    """A template and a shape, and the attributes that they come to, as C has them."""

    template: Template
    shape: KeyShape
    attributes: AttributeArray


_BUILT: dict[tuple[int, int], _Built] = {}

# A mechanism, and its parameter as C and as python-pkcs11 has it.
_Derivation = tuple[Mechanism, ctypes.Structure, object]


def derive_ecb(
    operation: Operation,
    base: TokenKey,
    data: bytes,
    shape: KeyShape,
    template: Template,
) -> TokenKey:
    """Make the key whose value begins ECB(base, data); the base needs CKA_DERIVE.

    Args:
        operation: what owns the new key.
        base: the base key.
        data: whole blocks, at least as long as the new key.
        shape: what the new key is; the token gives triple DES keys odd parity.
        template: the new key's attributes.
    """
    # The struct points into `data`, which this frame keeps alive over the call.
    parameter = _StringData(data, len(data))
    if base.shape.is_aes:
        # python-pkcs11 builds the parameter of this one itself: a struct would be taken as data.
        derivation: _Derivation = Mechanism.AES_ECB_ENCRYPT_DATA, parameter, data
    else:
        derivation = Mechanism.DES3_ECB_ENCRYPT_DATA, parameter, bytes(parameter)
    return _derive(operation, base, derivation, shape, template)


def derive_cbc(
    operation: Operation,
    base: TokenKey,
    data: bytes,
    shape: KeyShape,
    template: Template,
) -> TokenKey:
    """Make the key whose value begins CBC(base, data) with a zero IV; otherwise as above."""
    if base.shape.is_aes:
        of_aes = _AesCbcData((ctypes.c_ubyte * 16)(), data, len(data))
        derivation: _Derivation = Mechanism.AES_CBC_ENCRYPT_DATA, of_aes, (bytes(16), data)
    else:
        of_des = _DesCbcData((ctypes.c_ubyte * 8)(), data, len(data))
        derivation = Mechanism.DES3_CBC_ENCRYPT_DATA, of_des, bytes(of_des)
    return _derive(operation, base, derivation, shape, template)


def derive_cmac_counter(
    operation: Operation,
    base: TokenKey,
    messages: Sequence[Sequence[bytes]],
    shape: KeyShape,
    template: Template,
) -> list[TokenKey]:
    """Make one key from each group of messages: CMAC(base, m1) ‖ CMAC(base, m2) and so on.

    NIST SP 800-108r1, section 4.1, with CMAC over the base key's cipher as the PRF; the
    messages are the PRF's inputs for counters 1, 2, …, one for each block of the key, which
    takes the leading bytes. The encryptions of all messages share C_Encrypt calls. The base
    needs CKA_DERIVE and CKA_ENCRYPT.
    """
    size = base.shape.block
    longer = [message for group in messages for message in group if len(message) > size]
    # The encryption of zeros, which the masks come from, needs no call of its own.
    encrypted = encrypt_ecb(base, bytes(size) + b"".join([message[:size] for message in longer]))
    chains = iter(_chains(base, longer, encrypted[size:]))
    made = []
    for group in messages:
        data = b""
        for message in group:
            last = masked_last_block(message, encrypted[:size])
            data += exclusive_or(last, next(chains)) if len(message) > size else last
        made.append(derive_ecb(operation, base, data, shape, template))
    return made


def _chains(base: TokenKey, messages: Sequence[bytes], encrypted: bytes) -> list[bytes]:
    """Return what the last block of each message is added to, before its CMAC's last encryption.

    Args:
        base: the key.
        messages: of two blocks or more.
        encrypted: the first block of each, encrypted.
    """
    size = base.shape.block
    chains = [encrypted[at : at + size] for at in range(0, len(encrypted), size)]
    last_at = max(map(len, messages), default=0) - 1
    for at in range(size, last_at // size * size, size):
        going_on = [n for n, message in enumerate(messages) if len(message) > at + size]
        blocks = [exclusive_or(chains[n], messages[n][at : at + size]) for n in going_on]
        encrypted = encrypt_ecb(base, b"".join(blocks))
        for place, n in enumerate(going_on):
            chains[n] = encrypted[place * size :][:size]
    return chains


def _derive(
    operation: Operation,
    base: TokenKey,
    derivation: _Derivation,
    shape: KeyShape,
    template: Template,
) -> TokenKey:
    if base.direct:
        attributes = _attributes(template, shape)
        mechanism, parameter, _ = derivation
        if fresh := base.direct.derive(means(mechanism, parameter), attributes):
            return operation.own(fresh, shape)
    return _derive_by_library(operation, base, derivation, shape, template)


@hsm_errors
def _derive_by_library(
    operation: Operation,
    base: TokenKey,
    derivation: _Derivation,
    shape: KeyShape,
    template: Template,
) -> TokenKey:
    mechanism, _, parameter = derivation
    length = {} if _has_length(shape) else {Attribute.VALUE_LEN: DEFAULT}
    handle = base.method("derive_key")(
        shape.key_type,
        shape.length * 8,
        mechanism=mechanism,
        mechanism_param=parameter,
        template={**template, **length},
    )
    return operation.own(handle, shape)


def _attributes(template: Template, shape: KeyShape) -> AttributeArray:
    """Return all attributes of a key to derive; built once for a template and a shape."""
    name = id(template), id(shape)
    if name not in _BUILT:
        whole = {**template, Attribute.KEY_TYPE: shape.key_type}
        if _has_length(shape):
            whole[Attribute.VALUE_LEN] = shape.length
        # Both are constants, and kept, so that nothing else gets the name.
        _BUILT[name] = _Built(template, shape, AttributeArray(in_order(whole)))
    return _BUILT[name].attributes


def _has_length(shape: KeyShape) -> bool:
    """Say whether CKA_VALUE_LEN must be there; for triple DES keys it must not."""
    return shape.is_aes or shape.is_generic
