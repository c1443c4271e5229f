"""Published test vectors, restated; each entry names its source and its origin.

`origin` is `published` where the values were printed by somebody else, in a standard, a
trace of a real card, another implementation's tests or a running one's answers. Values that
this project computed itself prove nothing about it and stand in files named
`generated_*.json`. Files named `*_host.json` hold what another implementation's host code
made of given inputs, run once: `host-run`; where it departs from the specifications, the
entry says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Vector:
    """One entry of a file; bytes are lower-case hex in it."""

    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  a field is what the file says
        return self.fields[name]

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def bytes(self, name: str) -> bytes:
        """Return a field's bytes."""
        return bytes.fromhex(self.fields[name])


def read(file: str) -> list[Vector]:
    """Return the entries of a file of this folder."""
    return [Vector(fields) for fields in json.loads((DIRECTORY / file).read_text())["vectors"]]


def each(files: str, *present: str, **having: str) -> pytest.MarkDecorator:
    """Run a test over each entry of the files that has the fields, and has them as given.

    Args:
        files: one name, or several with spaces between.
        present: fields that an entry must have.
        having: fields that an entry must have, and their values.
    """
    entries = [
        vector
        for file in files.split()
        for vector in read(file)
        if having.items() <= vector.fields.items() and all(name in vector for name in present)
    ]
    return pytest.mark.parametrize("vector", entries, ids=lambda vector: vector["id"])
