"""What can go wrong with an HSM, told apart by what there is to do about it."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from pkcs11 import exceptions as ck

from hsm.hang import limited

P = ParamSpec("P")
T = TypeVar("T")


class HsmError(Exception):
    """Something about the HSM; the message is for the operator and holds no secret."""


class ModuleUnavailable(HsmError):
    """The PKCS#11 module cannot be loaded or initialised."""


class ModuleStuck(ModuleUnavailable):
    """The module did not let itself be finalized; only another process can start it anew."""


class TokenNotFound(HsmError):
    """No token, or more than one, has the label and serial number."""


class CredentialUnavailable(HsmError):
    """The PIN cannot be read from where it should be, or anybody else can read it too."""


class PinRefused(HsmError):
    """The token refused the PIN; trying again could lock it."""


class PinLatched(PinRefused):
    """A PIN was refused before, and no other is tried until an operator says so."""


class TokenLost(HsmError):
    """The token, the session or a key handle is gone; finalize and initialise."""


class KeyNotFound(HsmError):
    """No key, or more than one, has the label and id."""


class KeyExists(HsmError):
    """A key with this label and id is there already."""


class KeyChanged(HsmError):
    """A key is not the one that it was before the token was lost, or it is gone."""


class KeyUnsuitable(HsmError):
    """A key is not what its reference says: another algorithm, or too few attributes."""


class KeyNotExtractable(KeyUnsuitable):
    """A key may not leave the token, not even wrapped."""


class UseRefused(HsmError):
    """A private key of the token is asked for what it is not for, as its value is."""


class ComponentInvalid(HsmError):
    """A key component has the wrong form or length."""


class WrappedKeyInvalid(HsmError):
    """A wrapped key was wrapped by another key, or changed since."""


class MechanismUnavailable(HsmError):
    """The token refuses a mechanism that the operation needs."""


_CAUSES: tuple[tuple[type[HsmError], tuple[type[ck.PKCS11Error], ...]], ...] = (
    (
        PinRefused,
        (
            ck.PinIncorrect,
            ck.PinInvalid,
            ck.PinLenRange,
            ck.PinLocked,
            ck.PinExpired,
        ),
    ),
    (
        MechanismUnavailable,
        (ck.MechanismInvalid, ck.MechanismParamInvalid, ck.FunctionNotSupported),
    ),
    (KeyNotExtractable, (ck.KeyUnextractable,)),
    (
        TokenNotFound,
        (
            ck.NoSuchToken,
            ck.MultipleTokensReturned,
            ck.TokenNotRecognised,
            ck.UserPinNotInitialized,
        ),
    ),
    (
        TokenLost,
        (
            ck.ObjectHandleInvalid,
            ck.KeyHandleInvalid,
            ck.SessionHandleInvalid,
            ck.SessionClosed,
            ck.DeviceError,
            ck.DeviceRemoved,
            ck.DeviceMemory,
            ck.TokenNotPresent,
            ck.GeneralError,
            ck.FunctionFailed,
            ck.UserNotLoggedIn,
        ),
    ),
)


def hsm_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Turn PKCS#11 return values into the errors of this module; what hangs has its end."""
    in_time = limited(function)

    @wraps(function)
    def translated(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return in_time(*args, **kwargs)
        except ck.PKCS11Error as error:
            raise _meaning(error)(f"{_words(error)} in {function.__qualname__}") from error

    return translated


def _meaning(error: ck.PKCS11Error) -> type[HsmError]:
    for meaning, causes in _CAUSES:
        if isinstance(error, causes):
            return meaning
    return HsmError


def _words(error: ck.PKCS11Error) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
