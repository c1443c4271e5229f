"""What a card keeps without power: keys, sequence counters and stored data objects.

With a file it also survives the process. Each change is one atomic replacement of the file,
made before the card answers, so a card torn out in between never hands out a counter twice,
and has either its old keys or its new ones. The keys are in the file as they are: it is as
secret as the card.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.pcsc.apdu import Refusal, StatusWord
from tests.virtual_token.keyring import CardKey, KeyGroup, Keyring


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
        self._keyring: Keyring | None = None
        if path is not None and path.exists():
            self._load(path)

    @property
    def keyring(self) -> Keyring | None:
        """The keys on the card; None as long as they are those of its personalisation."""
        return self._keyring

    def store_keys(self, keyring: Keyring, *, restarted: int | None) -> None:
        """Write all keys at once, and set the sequence counter of version `restarted` to zero.

        A version that is gone takes its counter with it.
        """
        versions = {group.version for group in keyring.groups} - {restarted}
        self._counters = {k: v for k, v in self._counters.items() if k in versions}
        self._keyring = keyring
        self._save()

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
            if "keys" in state:
                self._keyring = Keyring(tuple(_read_group(group) for group in state["keys"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no card memory: {error!r}") from error

    def _save(self) -> None:
        if self._path is None:
            return
        state: dict[str, Any] = {
            "sequence_counters": {f"{k:02x}": v for k, v in self._counters.items()},
            "objects": {f"{tag:04x}": value.hex() for tag, value in self._objects.items()},
        }
        if self._keyring is not None:
            state["keys"] = [_group_as_json(group) for group in self._keyring.groups]
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
            json.dump(state, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._path)


def _group_as_json(group: KeyGroup) -> dict[str, Any]:
    return {
        "version": f"{group.version:02x}",
        "scp": f"{group.scp:02x}",
        "i": f"{group.i:02x}",
        "type": f"{group.key_type:02x}",
        "keys": {f"{identifier:02x}": key.value.hex() for identifier, key in group.keys.items()},
    }


def _read_group(group: dict[str, Any]) -> KeyGroup:
    key_type = int(group["type"], 16)
    return KeyGroup(
        version=int(group["version"], 16),
        scp=int(group["scp"], 16),
        i=int(group["i"], 16),
        keys={
            int(identifier, 16): CardKey(key_type, bytes.fromhex(value))
            for identifier, value in group["keys"].items()
        },
    )


@dataclass(frozen=True, slots=True)
class SequenceCounter:
    """The secure channel sequence counter of one key set: CS231 E.1.2, AmdD 6.2.2.1.

    `length` is 2 bytes for SCP02, 3 for SCP03, 0 for SCP01, which has none. It only ever rises
    as long as the keys are the same.
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
