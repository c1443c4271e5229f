"""The scope of one operation: every key handle belongs to it and is destroyed with it."""

from types import TracebackType
from typing import Any, Self

import pkcs11

from hsm.errors import HsmError, hsm_errors
from hsm.keys import KeyShape, TokenKey


class Operation:
    """Owns the session objects that a request makes in the token.

    `with token.operation() as operation:` destroys them at the end, also on an error.
    """

    def __init__(self, session: pkcs11.Session) -> None:
        self.session = session
        self._handles: list[Any] = []

    def own(self, handle: Any, shape: KeyShape) -> TokenKey:  # noqa: ANN401  see TokenKey
        """Take over a session object that was just made."""
        self._handles.append(handle)
        return TokenKey(handle, shape)

    def __enter__(self) -> Self:
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

    @hsm_errors
    def _destroy(self) -> None:
        failure = None
        while self._handles:
            try:
                self._handles.pop().destroy()
            except pkcs11.PKCS11Error as error:
                failure = error  # the others are destroyed nevertheless
        if failure is not None:
            raise failure
