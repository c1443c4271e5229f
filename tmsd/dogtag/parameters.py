"""The parameters of a request: a form, with bytes as `#XX` in it.

A servlet container takes the form (application/x-www-form-urlencoded) apart, and Dogtag what
stands in it. A TPS sends a bare `#`, and other clients `%23`: both mean the same.
"""

import re
from collections.abc import Mapping

MAX_BODY = 16 * 1024
"""Bytes of a body; what a TPS sends has some 400."""

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})|%|\+")
_SPECIAL = re.compile(rb"#([0-9A-Fa-f]{2})|#|\+")


class Malformed(ValueError):
    """An escape is not followed by two hexadecimal digits."""


def parse(body: bytes) -> Mapping[str, bytes]:
    """Return the values by their names.

    Of a name that stands there more than once the first counts, and what is badly escaped counts
    not at all, as in a servlet container. A name without `=` has an empty value.

    Args:
        body: at most `MAX_BODY` bytes.
    """
    values: dict[str, bytes] = {}
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        try:
            decoded = _decoded(_ESCAPED, name).decode("latin-1")
            if decoded:
                values.setdefault(decoded, _decoded(_ESCAPED, value))
        except Malformed:
            continue
    return values


def special_decoded(value: bytes) -> bytes:
    """Return the bytes that a value stands for: `#XX` for one of any value, others for themselves.

    Raises:
        Malformed: a `#` stands alone.
    """
    return _decoded(_SPECIAL, value)


def _decoded(escaped: re.Pattern[bytes], value: bytes) -> bytes:
    def byte(match: re.Match[bytes]) -> bytes:
        if digits := match[1]:
            return bytes([int(digits, 16)])
        if match[0] == b"+":
            return b" "
        raise Malformed

    return escaped.sub(byte, value)
