"""CKM_SP800_108_COUNTER_KDF of PKCS#11 3.0, which the daemon does without."""

import ctypes

from pkcs11 import KeyType, Mechanism

from hsm.attributes import AES_CARD_KEY
from hsm.errors import hsm_errors
from hsm.keys import KeyShape, TokenKey
from hsm.operation import Operation

_ITERATION_VARIABLE, _BYTE_ARRAY = 1, 4


class _CounterFormat(ctypes.Structure):
    """CK_SP800_108_COUNTER_FORMAT."""

    _fields_ = (("bLittleEndian", ctypes.c_ubyte), ("ulWidthInBits", ctypes.c_ulong))


class _PrfDataParam(ctypes.Structure):
    """CK_PRF_DATA_PARAM."""

    _fields_ = (
        ("type", ctypes.c_ulong),
        ("pValue", ctypes.c_void_p),
        ("ulValueLen", ctypes.c_ulong),
    )


class _KdfParams(ctypes.Structure):
    """CK_SP800_108_KDF_PARAMS."""

    _fields_ = (
        ("prfType", ctypes.c_ulong),
        ("ulNumberOfDataParams", ctypes.c_ulong),
        ("pDataParams", ctypes.c_void_p),
        ("ulAdditionalDerivedKeys", ctypes.c_ulong),
        ("pAdditionalDerivedKeys", ctypes.c_void_p),
    )


def _counter_kdf() -> Mechanism:
    """Return the mechanism, which python-pkcs11 has no name for."""
    mechanism = int.__new__(Mechanism, 0x3AC)
    mechanism._name_, mechanism._value_ = "SP800_108_COUNTER_KDF", 0x3AC
    return mechanism


@hsm_errors
def derive_by_the_tokens_own_kdf(
    operation: Operation, base: TokenKey, before: bytes, after: bytes, shape: KeyShape
) -> TokenKey:
    """Derive an AES key by CMAC over `before`, a counter of 8 bits, and `after`.

    Raises:
        MechanismUnavailable: the token does not.
    """
    counter = _CounterFormat(0, 8)
    fixed = [ctypes.create_string_buffer(part, len(part)) for part in (before, after)]
    parts = (_PrfDataParam * 3)(
        _PrfDataParam(_BYTE_ARRAY, ctypes.addressof(fixed[0]), len(before)),
        _PrfDataParam(
            _ITERATION_VARIABLE, ctypes.addressof(counter), ctypes.sizeof(_CounterFormat)
        ),
        _PrfDataParam(_BYTE_ARRAY, ctypes.addressof(fixed[1]), len(after)),
    )
    parameters = _KdfParams(Mechanism.AES_CMAC, len(parts), ctypes.addressof(parts), 0, None)
    handle = base.method("derive_key")(
        KeyType.AES,
        shape.length * 8,
        mechanism=_counter_kdf(),
        mechanism_param=bytes(parameters),
        template={**AES_CARD_KEY},
    )
    return operation.own(handle, shape)
