"""Fields of answers: what they should be, or `ProtocolError`."""

from datetime import UTC, datetime
from typing import Any

from tmsd.client.problem import ProtocolError

Answer = dict[str, Any]

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def text(answer: Answer, field: str) -> str:
    """Return a text."""
    value = answer.get(field)
    if not isinstance(value, str):
        raise ProtocolError(f"the answer has no text {field}")
    return value


def optional_text(answer: Answer, field: str) -> str | None:
    """Return a text, or None for null."""
    return None if answer.get(field) is None else text(answer, field)


def texts(answer: Answer, field: str) -> list[str]:
    """Return several."""
    values = answer.get(field)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ProtocolError(f"the answer has no list of texts {field}")
    return values


def time(answer: Answer, field: str) -> datetime:
    """Return a time of UTC, to the second."""
    try:
        return datetime.strptime(text(answer, field), _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise ProtocolError(f"the answer's {field} is no time") from error


def optional_time(answer: Answer, field: str) -> datetime | None:
    """Return a time, or None for null."""
    return None if answer.get(field) is None else time(answer, field)


def number(answer: Answer, field: str) -> int:
    """Return an integer."""
    value = answer.get(field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"the answer has no number {field}")
    return value


def optional_number(answer: Answer, field: str) -> int | None:
    """Return an integer, or None for null."""
    return None if answer.get(field) is None else number(answer, field)


def truth(answer: Answer, field: str) -> bool:
    """Return true or false."""
    value = answer.get(field)
    if not isinstance(value, bool):
        raise ProtocolError(f"the answer does not say whether {field}")
    return value


def octet(answer: Answer, field: str) -> int:
    """Return one byte that is written in hex."""
    value = octets(answer, field)
    if len(value) != 1:
        raise ProtocolError(f"the answer's {field} is not one byte")
    return value[0]


def octets(answer: Answer, field: str) -> bytes:
    """Return bytes that are written in hex."""
    return _from_hex(text(answer, field), field)


def optional_octets(answer: Answer, field: str) -> bytes | None:
    """Return bytes that are written in hex, or None for null."""
    return None if answer.get(field) is None else octets(answer, field)


def list_of_octets(answer: Answer, field: str) -> list[bytes]:
    """Return several."""
    values = answer.get(field)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ProtocolError(f"the answer has no {field} in hex")
    return [_from_hex(value, field) for value in values]


def objects(answer: Answer, field: str) -> list[Answer]:
    """Return a list of objects."""
    values = answer.get(field)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ProtocolError(f"the answer has no list {field}")
    return values


def inner(answer: Answer, field: str) -> Answer:
    """Return an object."""
    value = answer.get(field)
    if not isinstance(value, dict):
        raise ProtocolError(f"the answer has no {field}")
    return value


def _from_hex(value: str, field: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise ProtocolError(f"the answer's {field} is not hex") from error
