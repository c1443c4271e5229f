"""The scope of one operation: every key handle belongs to it and is destroyed with it."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pkcs11

from hsm.errors import HsmError, hsm_errors
from hsm.hang import SharedAlarm
from hsm.keys import KeyShape, TokenKey

if TYPE_CHECKING:
    from hsm.token import Token


class Operation:
    """Owns the session objects that a request makes in the token.

    `with token.operation() as operation:` destroys them at the end, also on an error.
    """

    def __init__(self, token: "Token") -> None:
        self._token = token
        self._handles: list[Any] = []
        self._alarm = SharedAlarm()

    @property
    def session(self) -> pkcs11.Session:
        """The session in which the objects are made."""
        return self._token.session

    def own(self, handle: Any, shape: KeyShape) -> TokenKey:  # noqa: ANN401  see TokenKey
        """Take over a session object that was just made."""
        self._token.objects_made += 1
        self._handles.append(handle)
        direct = self._token.direct
        return TokenKey(handle, shape, direct.key_of(handle) if direct else None)

    def __enter__(self) -> Self:
        self._alarm.__enter__()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            self._destroy()
        except HsmError:
            if error is None:
                raise
        finally:
            self._alarm.__exit__()

    @hsm_errors
    def _destroy(self) -> None:
        if self._token.abandoned:
            # The handles may be those of other objects by now.
            self._handles.clear()
        failure = None
        while self._handles:
            try:
                self._handles.pop().destroy()
            except pkcs11.PKCS11Error as error:
                failure = error  # the others are destroyed nevertheless
        if failure is not None:
            raise failure
