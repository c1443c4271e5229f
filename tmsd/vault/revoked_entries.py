"""Revoked certificates packed for a message: a million of them are 33 MB, and read in a second."""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tmsd.vault.certificate_messages import ENTRY_LENGTH

REASONS = (
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "removeFromCRL",
    "privilegeWithdrawn",
    "aACompromise",
)
"""Why a certificate is revoked, as RFC 5280, 5.3.1, spells it; packed by its place here."""

_ENTRY = struct.Struct(">16sQBQ")
assert _ENTRY.size == ENTRY_LENGTH


class RevokedEntry(NamedTuple):
    """A revoked certificate; times in seconds of Unix time.

    Attributes:
        serial_number: 16 bytes.
        revoked_at: when.
        reason: one of `REASONS`.
        invalid_since: from when on it is known or thought to be unsafe, if earlier.
    """

    serial_number: bytes
    revoked_at: int
    reason: str
    invalid_since: int | None = None


def pack(entries: Iterable[RevokedEntry]) -> bytes:
    """Return entries one after another, 33 bytes each."""
    return b"".join(
        _ENTRY.pack(
            entry.serial_number,
            entry.revoked_at,
            REASONS.index(entry.reason),
            entry.invalid_since or 0,
        )
        for entry in entries
    )


def unpack(packed: bytes) -> Iterator[RevokedEntry]:
    """Yield the entries.

    Raises:
        ValueError: the length is not that of whole entries, or a reason is not known.
    """
    if len(packed) % _ENTRY.size:
        raise ValueError("the entries are not whole")
    for serial_number, revoked_at, reason, invalid_since in _ENTRY.iter_unpack(packed):
        if reason >= len(REASONS):
            raise ValueError(f"there is no reason {reason}")
        yield RevokedEntry(serial_number, revoked_at, REASONS[reason], invalid_since or None)
