"""The file that `blocked_keys` of policy.toml names: public keys that others are known to have.

A line for each: the SHA-256 of its SubjectPublicKeyInfo in DER (RFC 5280, 4.1), 64 lower-case hex
digits. Empty lines, and what follows a `#`, are for readers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tmsd.config.toml import ConfigError, Fault, shown

LARGEST_BLOCKED_KEYS = 16 << 20
"""The largest file, in bytes: a quarter of a million keys, which take 40 MB of each process."""

_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_FAULTS = 16


@dataclass(frozen=True, slots=True)
class BlockedKeys:
    """The keys of a file.

    Attributes:
        hashes: each 64 lower-case hex digits.
        digest: SHA-256 of the file's bytes, in lower-case hex; None where there is no file.
    """

    hashes: frozenset[str] = frozenset()
    digest: str | None = None


def load_blocked_keys(file: Path) -> BlockedKeys:
    """Read a file of blocked keys.

    Raises:
        ConfigError: it cannot be read, is larger than `LARGEST_BLOCKED_KEYS`, or has a line that
            is no hash; the first lines of this kind are all told.
    """
    content = _content(file)
    hashes: set[str] = set()
    faults: list[Fault] = []
    for number, text in _lines(content):
        if _HASH.fullmatch(text):
            hashes.add(text)
        elif len(faults) < _MOST_FAULTS:
            words = f"must be a SHA-256, 64 lower-case hex digits, not {shown(text)}"
            faults.append(Fault(file, number, "", words))
    if faults:
        raise ConfigError(faults)
    return BlockedKeys(frozenset(hashes), sha256(content).hexdigest())


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_BLOCKED_KEYS + 1)
    except OSError as error:
        raise ConfigError([Fault(file, None, "", f"cannot be read: {error.strerror}")]) from None
    if len(content) > LARGEST_BLOCKED_KEYS:
        words = f"is larger than {LARGEST_BLOCKED_KEYS} bytes"
        raise ConfigError([Fault(file, None, "", words)])
    return content


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield what the lines say that say anything, and their numbers from 1."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        text = line.partition(b"#")[0].decode("ascii", "backslashreplace").strip()
        if text:
            yield number, text
