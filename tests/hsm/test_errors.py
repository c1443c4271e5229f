"""PKCS#11's return values become errors that say what there is to do."""

import pytest
from pkcs11 import exceptions as ck

from hsm.errors import (
    HsmError,
    MechanismUnavailable,
    PinRefused,
    TokenLost,
    TokenNotFound,
    hsm_errors,
)

MEANINGS = [
    (ck.PinIncorrect, PinRefused),
    (ck.PinLocked, PinRefused),
    (ck.PinExpired, PinRefused),
    (ck.MechanismInvalid, MechanismUnavailable),
    (ck.MechanismParamInvalid, MechanismUnavailable),
    (ck.FunctionNotSupported, MechanismUnavailable),
    (ck.NoSuchToken, TokenNotFound),
    (ck.KeyHandleInvalid, TokenLost),
    (ck.ObjectHandleInvalid, TokenLost),
    (ck.SessionHandleInvalid, TokenLost),
    (ck.SessionClosed, TokenLost),
    (ck.DeviceRemoved, TokenLost),
    (ck.DeviceError, TokenLost),
    (ck.GeneralError, TokenLost),
    (ck.UserNotLoggedIn, TokenLost),
    (ck.UserPinNotInitialized, TokenNotFound),  # initialised by half; costs no try
    (ck.AttributeSensitive, HsmError),
    (ck.DataLenRange, HsmError),
]


@hsm_errors
def _raising(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("cause", "meaning"), MEANINGS, ids=lambda type_: type_.__name__)
def test_a_return_value_becomes_the_error_for_what_there_is_to_do(
    cause: type[ck.PKCS11Error], meaning: type[HsmError]
) -> None:
    with pytest.raises(HsmError) as caught:
        _raising(cause())

    assert type(caught.value) is meaning
    assert str(caught.value) == f"{cause.__name__} in _raising"
    assert isinstance(caught.value.__cause__, cause)


def test_words_of_the_module_are_kept() -> None:
    with pytest.raises(HsmError, match=r"^DeviceError: no answer in _raising$"):
        _raising(ck.DeviceError("no answer"))


@pytest.mark.parametrize("error", [PinRefused("said"), ValueError("said")])
def test_other_errors_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        _raising(error)

    assert caught.value is error
