"""The one form in which quorums, requests, approvals and backups are written: canonical JSON.

Sorted keys, no white space, ASCII, integers alone for numbers: what RFC 8785 makes of such values.
A document that is read must be exactly what would be written, so that its hash is that of its
content.
"""

import json
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from tmsd.plain_text import plain

T = TypeVar("T", bound=msgspec.Struct)

UnixTime = Annotated[int, Meta(ge=0, lt=2**37)]
"""Seconds of Unix time, each of which is a date: up to the year 6325."""

LONGEST = 64 * 1024
"""Length of the longest document of a quorum, in bytes."""


def encode(value: msgspec.Struct) -> bytes:
    """Return a document: one line of JSON, with a newline at its end."""
    fields = msgspec.to_builtins(value)
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def decode(document: bytes, kind: type[T], longest: int = LONGEST) -> T:
    """Read a document, of at most `longest` bytes.

    Raises:
        ValueError: it is too long, is no such document, or is not in canonical form.
    """
    if len(document) > longest:
        raise ValueError(f"it is longer than {longest} bytes")
    try:
        value = msgspec.json.decode(document, type=kind)
    except msgspec.DecodeError as error:  # of which ValidationError is one
        raise ValueError(plain(str(error).replace("`$.", "`"))) from None
    if encode(value) != document:
        raise ValueError(
            "it is not canonical: it should be one line of ASCII with sorted keys, each once, "
            "and no white space but the newline at its end"
        )
    return value
