"""What a card keeps without power: sequence counters and stored data objects.

With a file it also survives the process. Each change is one atomic replacement of the file,
made before the card answers, so a card torn out in between never hands out a counter twice.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.virtual_token.apdu import Refusal, StatusWord


class NonVolatileMemory:
    """The card's EEPROM.

    Args:
        path: where to keep it; None keeps it as long as this object.

    Raises:
        ValueError: where the file is not what this class wrote.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._counters: dict[int, int] = {}
        self._objects: dict[int, bytes] = {}
        if path is not None and path.exists():
            self._load(path)

    def counter(self, key_version: int) -> int:
        """Return the sequence counter of a key set; 0 for a fresh one."""
        return self._counters.get(key_version, 0)

    def set_counter(self, key_version: int, value: int) -> None:
        """Write the sequence counter of a key set."""
        self._counters[key_version] = value
        self._save()

    def data_object(self, tag: int) -> bytes | None:
        """Return the value stored under `tag`, or None."""
        return self._objects.get(tag)

    def store(self, objects: Mapping[int, bytes]) -> None:
        """Write data objects by tag, all or none."""
        self._objects.update(objects)
        self._save()

    def _load(self, path: Path) -> None:
        try:
            state = json.loads(path.read_text())
            self._counters = {int(k, 16): int(v) for k, v in state["sequence_counters"].items()}
            self._objects = {int(k, 16): bytes.fromhex(v) for k, v in state["objects"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no card memory: {error!r}") from error

    def _save(self) -> None:
        if self._path is None:
            return
        state = {
            "sequence_counters": {f"{k:02x}": v for k, v in self._counters.items()},
            "objects": {f"{tag:04x}": value.hex() for tag, value in self._objects.items()},
        }
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
            json.dump(state, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._path)


@dataclass(frozen=True, slots=True)
class SequenceCounter:
    """The secure channel sequence counter of one key set: CS231 E.1.2, AmdD 6.2.2.1.

    `length` is 2 bytes for SCP02, 3 for SCP03. It only ever rises.
    """

    memory: NonVolatileMemory
    key_version: int
    length: int

    @property
    def value(self) -> bytes:
        """The counter as it stands, `length` bytes."""
        return self.memory.counter(self.key_version).to_bytes(self.length)

    def require_headroom(self) -> None:
        """Refuse a key set whose counter has reached its maximum, with 6985."""
        if self.memory.counter(self.key_version) >= 256**self.length - 1:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)

    def increment(self) -> None:
        """Add one, for good; 6985 where the maximum is reached."""
        self.require_headroom()
        self.memory.set_counter(self.key_version, self.memory.counter(self.key_version) + 1)
