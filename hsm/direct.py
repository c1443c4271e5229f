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
from typing import Any, NewType, Self

from pkcs11 import Attribute, Mechanism, ObjectClass, Session, types
from pkcs11.exceptions import FunctionFailed, ObjectHandleInvalid

from hsm.hang import has_its_time

_OK = 0
# CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS (PKCS#11 2.40, section 3.3).
_LOGGED_IN = (1, 3)
# What a call makes is no longer; some tokens want more room than they fill.
_LONGEST = 512
_ROOM = _LONGEST + 32

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


Means = NewType("Means", object)
"""A CK_MECHANISM by reference."""


def means(mechanism: Mechanism, parameter: ctypes.Structure | None = None) -> Means:
    """Return a mechanism with its parameter, which the caller keeps for as long."""
    if parameter is None:
        return Means(byref(_Mechanism(mechanism, None, 0)))
    at, length = ctypes.addressof(parameter), ctypes.sizeof(parameter)
    return Means(byref(_Mechanism(mechanism, at, length)))


def cbc(mechanism: Mechanism, iv: bytes) -> Means:
    """Return CBC with an IV, which the caller keeps for as long."""
    at = ctypes.cast(ctypes.c_char_p(iv), _pointer)
    return Means(byref(_Mechanism(mechanism, at, len(iv))))


AES_ECB = means(Mechanism.AES_ECB)
AES_CMAC = means(Mechanism.AES_CMAC)
AES_KEY_WRAP = means(Mechanism.AES_KEY_WRAP)
DES3_ECB = means(Mechanism.DES3_ECB)

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
        array = (_Attribute * self.count)(
            *(
                _Attribute(name, ctypes.addressof(value), ctypes.sizeof(value))
                for name, value in zip(template, self._values, strict=True)
            )
        )
        self.reference = byref(array)


class Direct:
    """The calls of one session; for one thread, as the session is.

    What they make is read from one place, and by one length, which each call fills anew.

    Args:
        functions: the module's function list.
        session: python-pkcs11's.
    """

    def __init__(self, functions: _FunctionList, session: Session) -> None:
        self.session = session
        self._handle = int(session.handle)  # type: ignore[attr-defined]  # not in its types
        self._made = ctypes.create_string_buffer(_ROOM)
        self._length, self._key = _number(), _number()
        self._made_at, self._length_at = byref(self._made), byref(self._length)
        self._key_at = byref(self._key)

        def function(place: int, *arguments: Any) -> _Function:  # noqa: ANN401  types of C
            prototype = ctypes.PYFUNCTYPE(_number, *arguments)
            return prototype(functions.functions[place])

        init, process = (_number, _pointer, _number), (_number, _bytes, _number, _pointer, _pointer)
        self._session_info = function(_GET_SESSION_INFO, _number, _pointer)
        self._destroy_object = function(_DESTROY_OBJECT, _number, _number)
        self.encryption = function(_ENCRYPT_INIT, *init), function(_ENCRYPT, *process)
        self.decryption = function(_DECRYPT_INIT, *init), function(_DECRYPT, *process)
        self.signature = function(_SIGN_INIT, *init), function(_SIGN, *process)
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

    def key_of(self, handle: Any) -> "DirectKey":  # noqa: ANN401  see TokenKey
        """Return a key by python-pkcs11's handle, for what its attributes let it do."""
        if isinstance(handle, FreshKey):
            return handle.direct
        return DirectKey(
            self, handle.handle, frozenset(each for each in METHODS if hasattr(handle, each))
        )

    def process(
        self, functions: tuple[_Function, _Function], means: Means, key: int, data: bytes
    ) -> bytes | None:
        """Return what `encryption`, `decryption` or `signature` makes of `data`; or None."""
        init, process = functions
        if init(self._handle, means, key) != _OK:
            return None
        length = self._length
        length.value = _ROOM
        if process(self._handle, data, len(data), self._made_at, self._length_at) != _OK:
            return None
        return self._made.raw[: length.value]

    def wrap(self, means: Means, wrapping: int, key: int) -> bytes | None:
        """Return a symmetric key's value, encrypted; or None."""
        self._length.value = _ROOM
        answer = self._wrap_key(self._handle, means, wrapping, key, self._made_at, self._length_at)
        return self._made.raw[: self._length.value] if answer == _OK else None

    def derive(self, means: Means, base: int, attributes: AttributeArray) -> int | None:
        """Return the handle of a new session key; or None."""
        answer = self._derive_key(
            self._handle, means, base, attributes.reference, attributes.count, self._key_at
        )
        return self._key.value if answer == _OK else None

    def destroy(self, key: int) -> bool:
        """Destroy a session object; say whether it was."""
        return self._destroy_object(self._handle, key) == _OK


class DirectKey:
    """A key for the calls of its session; each is None where the long way is to be gone.

    Args:
        calls: of the session.
        handle: its number, as the module counts.
        methods: those that its attributes give it.
    """

    __slots__ = ("calls", "handle", "methods")

    def __init__(self, calls: Direct, handle: int, methods: frozenset[str]) -> None:
        self.calls = calls
        self.handle = handle
        self.methods = methods

    def encrypt(self, means: Means, data: bytes) -> bytes | None:
        """Return `data`, whole blocks, encrypted."""
        if "encrypt" in self.methods and len(data) <= _LONGEST and has_its_time():
            return self.calls.process(self.calls.encryption, means, self.handle, data)
        return None

    def decrypt(self, means: Means, data: bytes) -> bytes | None:
        """Return `data`, whole blocks, decrypted."""
        if "decrypt" in self.methods and len(data) <= _LONGEST and has_its_time():
            return self.calls.process(self.calls.decryption, means, self.handle, data)
        return None

    def sign(self, means: Means, data: bytes) -> bytes | None:
        """Return the MAC of `data`, of any length."""
        if "sign" in self.methods and has_its_time():
            return self.calls.process(self.calls.signature, means, self.handle, data)
        return None

    def wrap(self, means: Means, key: int) -> bytes | None:
        """Return the value of another symmetric key, by its handle, encrypted under this one."""
        if "wrap_key" in self.methods and has_its_time():
            return self.calls.wrap(means, self.handle, key)
        return None

    def derive(self, means: Means, attributes: AttributeArray) -> "FreshKey | None":
        """Return a new session key that comes from this one."""
        if "derive_key" in self.methods and has_its_time():
            made = self.calls.derive(means, self.handle, attributes)
            if made is not None:
                return FreshKey(DirectKey(self.calls, made, attributes.methods))
        return None


class FreshKey(types.SecretKey):
    """The handle of a key that was just made, for all that python-pkcs11 does with handles.

    What goes the long way has python-pkcs11 find the object first.

    Args:
        direct: the same key for the direct calls.
    """

    def __init__(self, direct: DirectKey) -> None:
        self.direct = direct

    @property
    def handle(self) -> int:
        """The object's handle, as the module counts."""
        return self.direct.handle

    @property
    def session(self) -> Session:
        """The session that it is of."""
        return self.direct.calls.session

    def destroy(self) -> None:
        """Destroy the object."""
        if not self.direct.calls.destroy(self.handle):
            self._found().destroy()

    def get_attributes(self, keys: list[Attribute]) -> dict[Attribute, Any]:
        """Return attributes that the token tells."""
        return dict(self._found().get_attributes(keys))

    def __getitem__(self, key: Attribute) -> Any:  # noqa: ANN401  see TokenKey
        return self._found()[key]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  see TokenKey
        if name not in self.direct.methods:
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
            if found.handle == self.handle:
                return found
        raise ObjectHandleInvalid
