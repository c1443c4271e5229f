"""The kinds of value that keys of the configuration have, each with its own refusal."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from tmsd.config.table import Origin
from tmsd.config.toml import shown

T = TypeVar("T", bound=Hashable)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX_BYTE = re.compile(r"[0-9a-f]{2}")
_CREDENTIAL = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _place(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, str) and value and not _CONTROL.search(value):
        path = Path(value)
    elif isinstance(value, Path):
        path = value
    else:
        raise ValueError(f"must be a path in quotes, not {shown(value)}")
    return info.context.directory / path if isinstance(info.context, Origin) else path


Place = Annotated[Path, BeforeValidator(_place)]
"""A path; a relative one in a file starts at that file's directory.

A default must be declared with `validate_default=True` to start there as well.
"""


# A socket's path and its final zero byte have 108 bytes on Linux (unix(7)), fewer elsewhere.
LONGEST_SOCKET_PATH = 100


def _check_length(path: Path) -> Path:
    if (length := len(bytes(path))) > LONGEST_SOCKET_PATH:
        raise ValueError(
            f"must be a path of at most {LONGEST_SOCKET_PATH} bytes, counted from the root, as "
            f"sockets have short ones; {path} has {length}"
        )
    return path


SocketPlace = Annotated[Place, AfterValidator(_check_length)]
"""The path of a Unix socket."""


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{shown(value)} is not a name: "
            "1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or a digit"
        )
    return value


Name = Annotated[str, AfterValidator(_name)]
"""The name of a caller or of a key set."""


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError(f"must be a SHA-256, 64 lower-case hex digits, not {shown(value)}")
    return value


Sha256 = Annotated[str, AfterValidator(_sha256)]
"""A SHA-256: 64 lower-case hex digits."""


def _hex_byte(value: object, info: ValidationInfo) -> int:
    if isinstance(value, str) and _HEX_BYTE.fullmatch(value):
        return int(value, 16)
    if type(value) is int and 0 <= value <= 0xFF and info.context is None:
        return value
    raise ValueError(f'must be one byte, two lower-case hex digits as "70", not {shown(value)}')


HexByte = Annotated[int, BeforeValidator(_hex_byte)]
"""One byte, which a file spells as two hex digits in quotes."""


def credential(example: str) -> AfterValidator:
    """Return the check that text is the name of a systemd credential (systemd.exec(5))."""

    def check(value: str) -> str:
        if not _CREDENTIAL.fullmatch(value):
            raise ValueError(
                f'must be the name of a systemd credential, as "{example}", not {shown(value)}'
            )
        return value

    return AfterValidator(check)


def text(most: int) -> AfterValidator:
    """Return the check that text has 1 to `most` bytes in UTF-8 and no control characters."""

    def check(value: str) -> str:
        if not 1 <= len(value.encode()) <= most or _CONTROL.search(value):
            raise ValueError(f"must be 1 to {most} bytes of plain text, not {shown(value)}")
        return value

    return AfterValidator(check)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for value in values:
        if values.count(value) > 1:
            spelled = f"{value:02x}" if type(value) is int else shown(value)
            raise ValueError(f"holds {spelled} twice")
    return values


DISTINCT = AfterValidator(_distinct)
"""Marks an array that says nothing twice."""
