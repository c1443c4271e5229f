"""Searching the memory of a process for keys, however they are spelled there."""

import base64
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.site.looking_inside import inside
from tests.virtual_token.keys import with_odd_parity

Found = dict[str, set[str]]
"""By its kind, how something was spelled, and what is mapped where it was."""

_SOURCE = Path(__file__).with_name("search.c")


def spellings(value: bytes) -> dict[str, bytes]:
    """Return how a value of 16 bytes and more can be found in memory, by what that is called.

    The expanded key of AES begins with the key itself. Half a triple DES key is as good as all of
    it for the MACs of SCP02.
    """
    found = {
        "raw": value,
        "its first half": value[: len(value) // 2],
        "its second half": value[len(value) // 2 :],
        "odd parity": with_odd_parity(value),
        "even parity": bytes(byte ^ 1 for byte in with_odd_parity(value)),
        "hex": value.hex().encode(),
        "HEX": value.hex().upper().encode(),
    }
    for before in range(3):
        # What goes before shares the first character with the value, what comes after the last.
        begin, end = -(-before * 8 // 6), (before + len(value)) * 8 // 6
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            found[f"{name} after {before}"] = encode(bytes(before) + value)[begin:end]
    return found


@dataclass(frozen=True, slots=True)
class MemorySearch:
    """The compiled search.

    Attributes:
        program: its file.
    """

    program: Path

    def of(self, pid: int, values: Iterable[tuple[str, bytes]]) -> Found:
        """Return what of these kinds and values was found in a process."""
        inside(pid, "mem")
        wanted = [
            (kind, spelling, text)
            for kind, value in values
            for spelling, text in spellings(value).items()
        ]
        strings = b"".join(bytes([len(text)]) + text for _, _, text in wanted)
        searched = subprocess.run(
            [self.program, str(pid)], input=strings, capture_output=True, check=True
        )
        assert not searched.stderr, f"not readable: {searched.stderr.decode()}"
        found: Found = {}
        for line in searched.stdout.decode().splitlines():
            number, _address, mapping = line.split(maxsplit=2)
            kind, spelling, _ = wanted[int(number)]
            found.setdefault(kind, set()).add(f"{spelling} in {mapping}")
        return found


def build(folder: Path) -> MemorySearch:
    """Compile the search into a folder."""
    built = folder / "search"
    subprocess.run(["gcc", "-O2", "-o", built, _SOURCE], check=True)
    return MemorySearch(built)
