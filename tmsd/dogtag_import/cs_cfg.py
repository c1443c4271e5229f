"""CS.cfg of a Dogtag subsystem: lines of key=value, read whole and within bounds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tmsd.config.toml import LARGEST_FILE, ConfigError, Fault

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_COMMENTS = ("#", "!")


@dataclass(frozen=True, slots=True)
class CsCfg:
    """A CS.cfg that could be read.

    Attributes:
        file: which one.
        values: by their keys, without white space around them; of a key that is there more than
            once the last, as Dogtag has it.
        repeated: the keys that are there more than once, in order.
        unread: the numbers of lines that are neither key=value nor a comment.
    """

    file: Path
    values: Mapping[str, str]
    repeated: tuple[str, ...]
    unread: tuple[int, ...]


def read(file: Path) -> CsCfg:
    """Read a file of at most 1 MiB, UTF-8, with lines that end in LF or CR LF.

    Raises:
        ConfigError: it cannot be read, or is too large, or no text.
    """
    values: dict[str, str] = {}
    repeated: dict[str, None] = {}
    unread: list[int] = []
    for number, line in enumerate(_text(file).split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(_COMMENTS):
            continue
        key, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals or not key:
            unread.append(number)
            continue
        if key in values:
            repeated[key] = None
        values[key] = value
    return CsCfg(file, values, tuple(repeated), tuple(unread))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError([Fault(file, None, "", f"cannot be read: {error.strerror}")]) from None
    if len(content) > LARGEST_FILE:
        raise ConfigError([Fault(file, None, "", f"is larger than {LARGEST_FILE} bytes")])
    try:
        text = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"must be UTF-8, but holds the byte {content[error.start]:02x}"
        raise ConfigError([Fault(file, line, "", message)]) from None
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        message = f"must be text, but holds the character {ord(found[0]):02x}"
        raise ConfigError([Fault(file, line, "", message)])
    return text
