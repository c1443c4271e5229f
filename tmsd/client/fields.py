"""Fields of answers: what they should be, or `ProtocolError`."""

from typing import Any

from tmsd.client.problem import ProtocolError

Answer = dict[str, Any]


def text(answer: Answer, field: str) -> str:
    """Return a text."""
    value = answer.get(field)
    if not isinstance(value, str):
        raise ProtocolError(f"the answer has no text {field}")
    return value


def number(answer: Answer, field: str) -> int:
    """Return an integer."""
    value = answer.get(field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"the answer has no number {field}")
    return value


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
