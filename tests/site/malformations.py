"""Bodies that no call can accept: a thousand ways, the same on every run, to get JSON wrong."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from tests.site.certificates import at
from tests.site.channels import JsonObject
from tests.site.well_formed import BODIES

_SEED = 0x746D7364
# No field of any call takes one of these.
_UNLIKE: tuple[object, ...] = (None, True, 1.5, -1, 10**30, [[]], {"a": {}}, "\0", "é" * 300)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A body for a path, and what is wrong with it."""

    path: str
    wrong: str
    content: bytes

    def __str__(self) -> str:
        return f"{self.path}: {self.wrong}"


def malformed_bodies(count: int) -> list[Malformed]:
    """Return `count` bodies, spread over the calls that take one; no two are alike."""
    choices = random.Random(_SEED)  # noqa: S311  the same on every run, no secret
    rounds = cycle(
        _endless(path, body, choices) for (_, path), body in BODIES.items() if body is not None
    )
    different: dict[tuple[str, bytes], Malformed] = {}
    while len(different) < count:
        malformed = next(next(rounds))
        different.setdefault((malformed.path, malformed.content), malformed)
    return list(different.values())


def _endless(path: str, body: JsonObject, choices: random.Random) -> Iterator[Malformed]:
    while True:
        for wrong, content in (*_no_json(body, choices), *_other_json(body, choices)):
            yield Malformed(at(path), wrong, content)


def _no_json(body: JsonObject, choices: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield what no parser of JSON (RFC 8259) takes."""
    whole = json.dumps(body).encode()
    cut = choices.randrange(1, len(whole))
    at = choices.randrange(len(whole))
    yield f"cut after {cut} bytes", whole[:cut]
    yield f"byte {cut} is no UTF-8", whole[:cut] + b"\xff" + whole[cut:]
    yield "a byte order mark", b"\xef\xbb\xbf" + whole
    yield "UTF-16", json.dumps(body).encode("utf-16")
    yield "something after its end", whole + choices.choice([b"}", b"{}", b"\0", b",", b"nul"])
    yield "a control character", whole[:1] + bytes([choices.randrange(1, 9)]) + whole[1:]
    yield "single quotes", whole.replace(b'"', b"'")
    yield "a comment", whole[:1] + b"/* why */" + whole[1:]
    yield "a comma too many", whole[:-1] + b",}"
    yield "nothing at all", b""
    yield "random bytes", choices.randbytes(choices.randrange(1, 200)) + b"\x00"
    yield "arrays without an end", b"[" * choices.randrange(2, 60_000)
    yield "objects without an end", b'{"a":' * choices.randrange(2, 10_000)
    yield f"turned round at byte {at}", b"\x00" + whole[at:] + whole[:at]


def _other_json(body: JsonObject, choices: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield JSON that is none of this call's."""
    field = choices.choice(sorted(body))
    unlike = choices.choice(_UNLIKE)
    yield "no object", json.dumps(choices.choice([None, 7, "text", [], [body], True])).encode()
    yield f"{field} is {type(unlike).__name__}", json.dumps(body | {field: unlike}).encode()
    yield "a field that nobody knows", json.dumps(body | {_name(choices): 1}).encode()
    yield f"{field} spelled otherwise", _renamed(body, field)
    yield f"{field} is NaN", json.dumps(body | {field: float("nan")}).encode()
    yield f"{field} is nested deeply", _nested(body, field, choices.randrange(200, 5_000))
    yield "empty", b"{}"


def _name(choices: random.Random) -> str:
    return "x" + "".join(choices.choices("abc é/~\n\"'0", k=choices.randrange(40)))


def _renamed(body: JsonObject, field: str) -> bytes:
    return json.dumps({key.upper() if key == field else key: body[key] for key in body}).encode()


def _nested(body: JsonObject, field: str, depth: int) -> bytes:
    inside = b'{"a":' * depth + b"1" + b"}" * depth
    return json.dumps(body | {field: "HERE"}).encode().replace(b'"HERE"', inside)
