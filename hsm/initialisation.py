"""Initialising a blank token: SO PIN, label, user PIN.

python-pkcs11 has no C_InitToken, so that one function is called through the module's own
function list; it is reached by no daemon, only by quickstart and ceremonies.
"""

import ctypes
from typing import Any

import pkcs11
from pkcs11 import TokenFlag

from hsm.errors import HsmError, TokenNotFound, hsm_errors
from hsm.module import TokenAddress, find_token, load_module
from hsm.secret import Secret

_LABEL_LENGTH = 32
_CKR_OK = 0

# CK_FUNCTION_LIST (PKCS#11 2.40, section 5.1): a version, then pointers in a fixed order.
_VERSION_SLOT = 1
_INIT_TOKEN = 9


def initialise_token(address: TokenAddress, so_pin: Secret, user_pin: Secret) -> str:
    """Initialise the module's first blank token and return its serial number.

    A token of this label that has no user PIN yet, as an interruption leaves it, gets it.

    Args:
        address: the module, and the new token's label of up to 32 bytes.
        so_pin: the security officer's PIN that the token will have, or has.
        user_pin: the user's PIN that the token will have.

    Raises:
        HsmError: the label is too long, or the module refuses.
        TokenNotFound: the module has no blank token.
    """
    label = address.label.encode()
    if not 1 <= len(label) <= _LABEL_LENGTH:
        raise HsmError(f"a token's label has 1 to {_LABEL_LENGTH} bytes, not {len(label)}")
    module = load_module(address.module, address.environment)
    slots = module.get_slots(token_present=True)
    if not _lacks_user_pin(slots, address):
        _init_token(address, _blank_slot(slots), so_pin, label)
    token = find_token(module, address)
    _init_user_pin(token, so_pin, user_pin)
    return bytes(token.serial).decode("ascii").strip("\0 ")


@hsm_errors
def _lacks_user_pin(slots: list[pkcs11.Slot], address: TokenAddress) -> bool:
    """Say whether there is a token of this label that has a security officer and no user."""
    tokens = [slot.get_token() for slot in slots]
    return any(
        token.label == address.label
        and token.flags & TokenFlag.TOKEN_INITIALIZED
        and not token.flags & TokenFlag.USER_PIN_INITIALIZED
        for token in tokens
    )


@hsm_errors
def _blank_slot(slots: list[pkcs11.Slot]) -> int:
    for slot in slots:
        if not slot.get_token().flags & TokenFlag.TOKEN_INITIALIZED:
            return int(slot.slot_id)
    raise TokenNotFound("the module has no blank token to initialise")


def _init_token(address: TokenAddress, slot: int, so_pin: Secret, label: bytes) -> None:
    init_token = ctypes.CFUNCTYPE(
        ctypes.c_ulong, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p
    )(_function_pointer(address, _INIT_TOKEN))
    pin = bytes(so_pin.reveal())
    result = init_token(slot, pin, len(pin), label.ljust(_LABEL_LENGTH))
    if result != _CKR_OK:
        raise HsmError(f"{address}: C_InitToken answered {result:#x}")


def _function_pointer(address: TokenAddress, position: int) -> int:
    library: Any = ctypes.CDLL(str(address.module))
    functions = ctypes.POINTER(ctypes.c_void_p)()
    if library.C_GetFunctionList(ctypes.byref(functions)) != _CKR_OK:
        raise HsmError(f"{address.module}: C_GetFunctionList failed")
    pointer = functions[_VERSION_SLOT + position]
    if not pointer:
        raise HsmError(f"{address.module} has no C_InitToken")
    return int(pointer)


@hsm_errors
def _init_user_pin(token: pkcs11.Token, so_pin: Secret, user_pin: Secret) -> None:
    with token.open(rw=True, so_pin=so_pin.reveal().decode()) as session:
        session.init_pin(user_pin.reveal().decode())
