"""What the test vectors have of messages, whatever file they are in."""

import json
from collections.abc import Iterator

from tests.vectors import DIRECTORY


def values(*fields: str) -> Iterator[bytes]:
    """Yield each value of fields of these names once; they are hex in the files."""
    found: dict[str, None] = {}
    for path in sorted(DIRECTORY.glob("*.json")):
        found |= dict.fromkeys(_values(json.loads(path.read_text()), fields))
    return map(bytes.fromhex, found)


def _values(node: object, fields: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node[name] for name in fields if isinstance(node.get(name), str))
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _values(child, fields)
