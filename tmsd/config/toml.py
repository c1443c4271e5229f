"""A configuration file in TOML 1.0: read whole, and every fault told with its line.

The parser of the standard library gives no positions, so a key's line is found, only
when there is something to report, by cutting the text into its statements: a statement
is the shortest run of whole lines that parses, beginning after the one before it.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

KeyPath = tuple[str | int, ...]
"""Keys from the top of the file down, with indices where an array is entered."""

LARGEST_FILE = 1 << 20  # bytes
LONGEST_ECHO = 80  # characters of a value that an error repeats
_DEEPEST_PATH = 8  # twice what any table of the configuration needs
_LONGEST_STATEMENT = 1000  # lines; every added line parses the statement again

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # TOML 1.0, "Keys"
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one file.

    Attributes:
        file: the file, as the reader was given it.
        line: counted from 1; None where the file as a whole is at fault.
        key: the dotted key; empty where the text is not TOML at all.
        message: what is wrong and what would be right.
    """

    file: Path
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        """Return `file:line: key: message`."""
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """A configuration file that cannot be used, with all that is wrong in it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with the key at `path`, before its line is known."""

    path: KeyPath
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is TOML: its bytes, and the tables they spell."""

    file: Path
    content: bytes
    tables: dict[str, object]

    def faults(self, complaints: Iterable[Complaint]) -> tuple[Fault, ...]:
        """Return the complaints with their lines, in the order of the file.

        A key that is not in the file is reported at the header of its table, and what
        is inside an array at the array's key.
        """
        lines = _lines(_statements(self.content.decode()))
        found = [
            Fault(self.file, _nearest(lines, at.path), dotted(at.path), at.message)
            for at in complaints
        ]
        return tuple(sorted(found, key=lambda fault: fault.line or 0))


def read(file: Path) -> Document:
    """Read and parse one file of at most 1 MiB.

    Raises:
        ConfigError: the file cannot be read, is too large, not UTF-8 or not TOML.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError([Fault(file, None, "", f"cannot be read: {error.strerror}")]) from None
    if len(content) > LARGEST_FILE:
        raise ConfigError([Fault(file, None, "", f"is larger than {LARGEST_FILE} bytes")])
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"must be UTF-8, but holds the byte {content[error.start]:02x}"
        raise ConfigError([Fault(file, line, "", message)]) from None
    try:
        return Document(file, content, tomllib.loads(text))
    except RecursionError:
        raise ConfigError([Fault(file, None, "", "holds arrays nested too deeply")]) from None
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise ConfigError([_syntax_fault(file, text, str(error))]) from None


def dotted(path: KeyPath) -> str:
    """Return a path as TOML spells it, in one line: `key_sets.pilot.change_to[0]`."""
    key = ""
    for part in path:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            key += "." * bool(key) + (part if _BARE_KEY.fullmatch(part) else json.dumps(part))
    return _cut(key)


def shown(value: object) -> str:
    """Return a value of the file for an error: one line, at most 80 characters."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 64:  # TOML 1.0: integers have 64 bits
            return "a number of more than 64 bits"
        case str():
            return _cut(repr(str(value)))
        case dict():
            return "a table"
        case list() | tuple():
            return "an array"
        case _:
            return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_ECHO else text[: LONGEST_ECHO - 1] + "…"


@dataclass(frozen=True, slots=True)
class _Statement:
    """One header or one key with its value: lines `first` to `last`.

    `paths` are what it defines, from the top of the file; a header's own path is the last.
    """

    first: int
    last: int
    is_header: bool
    paths: tuple[KeyPath, ...]


def _statements(text: str) -> Iterator[_Statement]:
    """Yield the statements up to the first that is not TOML by itself."""
    table: KeyPath = ()
    pending, first = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        pending += line + "\n"
        try:
            defined = tomllib.loads(pending)
        except (ValueError, RecursionError):
            if number - first >= _LONGEST_STATEMENT:
                return
            continue
        is_header = pending.lstrip().startswith("[")
        paths = tuple(_paths(() if is_header else table, defined))
        if is_header:
            table = paths[-1]
        yield _Statement(first, number, is_header, paths)
        pending, first = "", number + 1


def _paths(above: KeyPath, value: object) -> Iterator[KeyPath]:
    if isinstance(value, dict) and len(above) < _DEEPEST_PATH:
        for key, inner in value.items():
            yield (*above, key)
            yield from _paths((*above, key), inner)


def _lines(statements: Iterable[_Statement]) -> dict[KeyPath, int]:
    """Return where each key is first defined; for a table with a header, that header."""
    lines: dict[KeyPath, int] = {}
    headed: set[KeyPath] = set()
    for statement in statements:
        for path in statement.paths:
            lines.setdefault(path, statement.first)
        if statement.is_header and statement.paths[-1] not in headed:
            headed.add(statement.paths[-1])
            lines[statement.paths[-1]] = statement.first
    return lines


def _nearest(lines: dict[KeyPath, int], path: KeyPath) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _syntax_fault(file: Path, text: str, error: str) -> Fault:
    """Return the fault for what the parser said of the whole text.

    A statement that parses by itself, and is refused all the same, says what an earlier
    one has said already. One that never ends is reported where it begins.
    """
    position = _POSITION.search(error)
    line, column = position.groups() if position else (None, None)
    refused = int(line) if line else text.count("\n") + 1
    earlier: list[_Statement] = []
    for statement in _statements(text):
        if statement.first <= refused <= statement.last:
            lines = _lines(earlier)
            twice = max((path for path in statement.paths if path in lines), key=len, default=())
            message = f"is set twice, first on line {_nearest(lines, twice)}: keep one of the two"
            return Fault(file, statement.first, dotted(twice), message)
        earlier.append(statement)
    begun = earlier[-1].last + 1 if earlier else 1
    reason = _cut(_POSITION.sub("", error))
    message = f"is not TOML: {reason[:1].lower()}{reason[1:]}"
    if column:
        message += f", at column {column}"
    return Fault(file, int(line) if line else begun, "", message)
