"""The length of a key whose token does not say it.

SoftHSM 2.6 has a CKA_VALUE_LEN of 0 for keys that C_UnwrapKey made, and lets nobody say it
(PKCS#11 2.40, section 5.13: the template of C_UnwrapKey has no length). What is extractable can
be wrapped, and AES key wrap adds 8 bytes to it (RFC 3394).
"""

from typing import Any

from pkcs11 import KeyType, Mechanism
from pkcs11.exceptions import KeyNotWrappable, KeyUnextractable, MechanismInvalid

from hsm.attributes import MEASURING_KEY
from hsm.keys import AES_128
from hsm.operation import Operation

_ADDED = 8


def length_by_wrapping(operation: Operation, handle: Any) -> int | None:  # noqa: ANN401  see TokenKey
    """Return the length of a key in bytes; None where it cannot be wrapped.

    It is wrapped under a key that is made for this in the token and ends with the operation.
    """
    made = operation.session.generate_key(
        KeyType.AES,
        AES_128.length * 8,
        mechanism=Mechanism.AES_KEY_GEN,
        template={**MEASURING_KEY},
        store=False,
    )
    measuring = operation.own(made, AES_128)
    try:
        return len(measuring.handle.wrap_key(handle, mechanism=Mechanism.AES_KEY_WRAP)) - _ADDED
    except (KeyNotWrappable, KeyUnextractable, MechanismInvalid):
        return None
