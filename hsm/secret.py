"""A value that is never shown, compared, copied or pickled by accident."""

from typing import NoReturn, Self


class Secret:
    """Bytes that a person or a credential brought in: a PIN, a key component.

    `with secret as value:` lends the bytes and wipes them afterwards; Python may have
    made copies, which is why key material comes this way only in a ceremony.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | bytearray) -> None:
        self._value = bytearray(value)

    def __len__(self) -> int:
        return len(self._value)

    def __enter__(self) -> bytearray:
        return self._value

    def __exit__(self, *_raised: object) -> None:
        self.wipe()

    def reveal(self) -> bytearray:
        """Return the bytes themselves, not a copy; keep them no longer than the call needs."""
        return self._value

    def wipe(self) -> None:
        """Overwrite the bytes with zeros."""
        self._value[:] = bytes(len(self._value))

    def __repr__(self) -> str:
        return f"<Secret of {len(self._value)} bytes>"

    __str__ = __repr__

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secrets are not compared: it would not take constant time")

    def __hash__(self) -> NoReturn:
        raise TypeError("secrets are no keys of a dictionary")

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are not pickled")

    def __copy__(self) -> Self:
        raise TypeError("secrets are not copied")

    def __deepcopy__(self, _memo: object) -> Self:
        raise TypeError("secrets are not copied")
