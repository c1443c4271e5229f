"""The hot operations past python-pkcs11: each call once, in the same module and session.

python-pkcs11 makes each call that returns bytes twice, as it asks first how many there are, and
looks at a key that it derived by four more calls, to make it a class. Of MACs, of blocks, and of
keys that live for a request all of that is known. Nothing else goes this way, and nothing that
fails: an answer other than CKR_OK is None here, and who asked goes the long way, which meets it
again and names it.

A call holds Python's global lock: SoftHSM, as python-pkcs11 initialises it, takes none of its own.
"""

import ctypes
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from ctypes import byref
from pathlib import Path
from typing import Any, Self

from pkcs11 import Attribute, Mechanism, ObjectClass, Session, types
from pkcs11.exceptions import FunctionFailed, ObjectHandleInvalid

_OK = 0
# CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS (PKCS#11 2.40, section 3.3).
_LOGGED_IN = (1, 3)
# Some tokens want more room than they fill.
_SPARE = 32
_ROOM = 512

# Places in CK_FUNCTION_LIST (section 5.1).
_GET_SESSION_INFO, _DESTROY_OBJECT = 15, 22
_ENCRYPT_INIT, _ENCRYPT, _DECRYPT_INIT, _DECRYPT, _SIGN_INIT, _SIGN = 29, 30, 33, 34, 42, 43
_WRAP_KEY, _DERIVE_KEY = 60, 62
_FUNCTIONS = 68

# The attributes that python-pkcs11 gives a handle its methods for.
METHODS = {
    "encrypt": Attribute.ENCRYPT,
    "decrypt": Attribute.DECRYPT,
    "sign": Attribute.SIGN,
    "wrap_key": Attribute.WRAP,
    "unwrap_key": Attribute.UNWRAP,
    "derive_key": Attribute.DERIVE,
}

_number, _pointer, _bytes = ctypes.c_ulong, ctypes.c_void_p, ctypes.c_char_p


class _FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST; the version before the pointers is aligned as they are."""

    _fields_ = (("version", _pointer), ("functions", _pointer * _FUNCTIONS))


class _SessionInfo(ctypes.Structure):
    """CK_SESSION_INFO (section 3.3)."""

    _fields_ = (("slot", _number), ("state", _number), ("flags", _number), ("error", _number))


class _Mechanism(ctypes.Structure):
    """CK_MECHANISM (section 3.5)."""

    _fields_ = (("mechanism", _number), ("parameter", _pointer), ("length", _number))


class _Attribute(ctypes.Structure):
    """CK_ATTRIBUTE (section 3.4)."""

    _fields_ = (("type", _number), ("value", _pointer), ("length", _number))


def _plain(mechanism: Mechanism) -> _Mechanism:
    return _Mechanism(mechanism, None, 0)


AES_ECB = _plain(Mechanism.AES_ECB)
AES_CMAC = _plain(Mechanism.AES_CMAC)
AES_KEY_WRAP = _plain(Mechanism.AES_KEY_WRAP)
DES3_ECB = _plain(Mechanism.DES3_ECB)


def cbc(mechanism: Mechanism, iv: bytes) -> _Mechanism:
    """Return CBC with an IV, which the caller keeps for as long."""
    return _Mechanism(mechanism, ctypes.cast(ctypes.c_char_p(iv), _pointer), len(iv))


_Function = Callable[..., int]


class AttributeArray:
    """A template as C has it.

    Args:
        template: attributes that are numbers or booleans, in the order that the token takes.
    """

    def __init__(self, template: Mapping[Attribute, int | bool]) -> None:
        self.methods = frozenset(name for name, value in METHODS.items() if template.get(value))
        self.count = len(template)
        self._values: list[Any] = [
            ctypes.c_ubyte(value) if isinstance(value, bool) else _number(value)
            for value in template.values()
        ]
        self.array = (_Attribute * self.count)(
            *(
                _Attribute(name, ctypes.addressof(value), ctypes.sizeof(value))
                for name, value in zip(template, self._values, strict=True)
            )
        )


class Direct:
    """The calls of one session; for one thread, as the session is.

    Args:
        functions: the module's function list.
        session: python-pkcs11's.
    """

    def __init__(self, functions: _FunctionList, session: Session) -> None:
        self.session = session
        self._handle = int(session.handle)  # type: ignore[attr-defined]  # not in its types
        self._room = ctypes.create_string_buffer(_ROOM)
        self._length = _number()

        def function(place: int, *arguments: Any) -> _Function:  # noqa: ANN401  types of C
            prototype = ctypes.PYFUNCTYPE(_number, *arguments)
            return prototype(functions.functions[place])

        init, process = (_number, _pointer, _number), (_number, _bytes, _number, _pointer, _pointer)
        self._session_info = function(_GET_SESSION_INFO, _number, _pointer)
        self._destroy_object = function(_DESTROY_OBJECT, _number, _number)
        self._encryption = function(_ENCRYPT_INIT, *init), function(_ENCRYPT, *process)
        self._decryption = function(_DECRYPT_INIT, *init), function(_DECRYPT, *process)
        self._signature = function(_SIGN_INIT, *init), function(_SIGN, *process)
        self._wrap_key = function(
            _WRAP_KEY, _number, _pointer, _number, _number, _pointer, _pointer
        )
        self._derive_key = function(
            _DERIVE_KEY, _number, _pointer, _number, _pointer, _number, _pointer
        )

    @classmethod
    def of(cls, session: Session, module: Path) -> Self | None:
        """Return the calls of a session that is logged in; None unless it is certainly this one.

        Args:
            session: python-pkcs11's.
            module: the file that it was loaded from; it is not loaded again.
        """
        functions = ctypes.POINTER(_FunctionList)()
        with suppress(OSError, AttributeError):
            loaded = ctypes.PyDLL(str(module), mode=os.RTLD_NOW | os.RTLD_NOLOAD)
            if loaded.C_GetFunctionList(byref(functions)) == _OK and functions:
                direct = cls(functions.contents, session)
                return direct if direct._is_this_session() else None
        return None

    def _is_this_session(self) -> bool:
        told = _SessionInfo()
        answer = self._session_info(self._handle, byref(told))
        slot = self.session.token.slot.slot_id
        return answer == _OK and told.slot == slot and told.state in _LOGGED_IN

    def encrypt(self, means: _Mechanism, key: int, data: bytes) -> bytes | None:
        """Return `data`, whole blocks, encrypted; or None."""
        return self._processed(self._encryption, means, key, data)

    def decrypt(self, means: _Mechanism, key: int, data: bytes) -> bytes | None:
        """Return `data`, whole blocks, decrypted; or None."""
        return self._processed(self._decryption, means, key, data)

    def sign(self, means: _Mechanism, key: int, data: bytes) -> bytes | None:
        """Return the MAC of `data`; or None."""
        return self._processed(self._signature, means, key, data)

    def derive(
        self,
        mechanism: Mechanism,
        parameter: ctypes.Structure,
        base: int,
        attributes: "AttributeArray",
    ) -> "FreshKey | None":
        """Return a new session key; or None.

        Args:
            mechanism: how.
            parameter: its parameter, as C has it.
            base: the base key's handle.
            attributes: the new key's.
        """
        means = _Mechanism(mechanism, ctypes.addressof(parameter), ctypes.sizeof(parameter))
        made = _number()
        answer = self._derive_key(
            self._handle, byref(means), base, attributes.array, attributes.count, byref(made)
        )
        return FreshKey(self, made.value, attributes.methods) if answer == _OK else None

    def wrap(self, means: _Mechanism, wrapping: int, key: int) -> bytes | None:
        """Return a symmetric key's value, encrypted; or None."""
        self._length.value = _ROOM
        answer = self._wrap_key(
            self._handle, byref(means), wrapping, key, self._room, byref(self._length)
        )
        return ctypes.string_at(self._room, self._length.value) if answer == _OK else None

    def destroy(self, key: int) -> bool:
        """Destroy a session object; say whether it was."""
        return self._destroy_object(self._handle, key) == _OK

    def _processed(
        self, functions: tuple[_Function, _Function], means: _Mechanism, key: int, data: bytes
    ) -> bytes | None:
        init, process = functions
        if init(self._handle, byref(means), key) != _OK:
            return None
        length = len(data)
        room = length + _SPARE
        made = self._room if room <= _ROOM else ctypes.create_string_buffer(room)
        self._length.value = room
        if process(self._handle, data, length, made, byref(self._length)) != _OK:
            return None
        return ctypes.string_at(made, self._length.value)


class FreshKey(types.SecretKey):
    """The handle of a key that was just made, for all that python-pkcs11 does with handles.

    What goes the long way has python-pkcs11 find the object first.

    Args:
        direct: the calls of its session.
        handle: its number.
        methods: those that its attributes give it.
    """

    def __init__(self, direct: Direct, handle: int, methods: frozenset[str]) -> None:
        self._direct = direct
        self._number = handle
        self._methods = methods

    @property
    def handle(self) -> int:
        """The object's handle, as the module counts."""
        return self._number

    @property
    def session(self) -> Session:
        """The session that it is of."""
        return self._direct.session

    def destroy(self) -> None:
        """Destroy the object."""
        if not self._direct.destroy(self._number):
            self._found().destroy()

    def get_attributes(self, keys: list[Attribute]) -> dict[Attribute, Any]:
        """Return attributes that the token tells."""
        return dict(self._found().get_attributes(keys))

    def __getitem__(self, key: Attribute) -> Any:  # noqa: ANN401  see TokenKey
        return self._found()[key]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  see TokenKey
        if name not in self._methods:
            raise AttributeError(name)

        def of_found(*args: object, **kwargs: object) -> Any:  # noqa: ANN401  see TokenKey
            found = self._found()
            if not hasattr(found, name):
                raise FunctionFailed(f"the token failed to tell of CKA_{METHODS[name].name}")
            return getattr(found, name)(*args, **kwargs)

        return of_found

    def _found(self) -> Any:  # noqa: ANN401  see TokenKey
        fresh = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: False}
        for found in self.session.get_objects(fresh):
            if found.handle == self._number:
                return found
        raise ObjectHandleInvalid
