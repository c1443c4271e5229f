"""How bytes are written in JSON: lower-case hex, and base64url without padding."""

import json
import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from tmsd.api.values import Hex, Opaque


class Written(BaseModel):
    """Bytes in both spellings."""

    hex: Annotated[bytes, Hex(0, 64)]
    opaque: Annotated[bytes, Opaque(64)]


@given(hex_bytes=st.binary(max_size=64), opaque=st.binary(min_size=1, max_size=64))
def test_what_is_written_is_read_again(hex_bytes: bytes, opaque: bytes) -> None:
    written = Written(hex=hex_bytes, opaque=opaque)

    assert Written.model_validate_json(written.model_dump_json()) == written


@given(hex_bytes=st.binary(max_size=64), opaque=st.binary(min_size=1, max_size=64))
def test_what_is_written_fits_the_schema(hex_bytes: bytes, opaque: bytes) -> None:
    document = json.loads(Written(hex=hex_bytes, opaque=opaque).model_dump_json())

    for name, schema in Written.model_json_schema()["properties"].items():
        assert re.search(schema["pattern"], document[name])
        assert len(document[name]) <= schema.get("maxLength", 128)


@given(text=st.text(max_size=40))
def test_hex_is_read_exactly_where_it_is_lower_case_and_of_whole_bytes(text: str) -> None:
    try:
        expected = bytes.fromhex(text) if re.fullmatch("[0-9a-f]*", text) else None
    except ValueError:
        expected = None

    if expected is None:
        with pytest.raises(ValueError, match="lower-case hex"):
            Hex(0, 64).parse(text)
    else:
        assert Hex(0, 64).parse(text) == expected


@given(value=st.one_of(st.text(max_size=100), st.integers(), st.none(), st.lists(st.text())))
def test_a_token_is_read_or_refused_and_nothing_else(value: object) -> None:
    try:
        parsed = Opaque(64).parse(value)
    except ValueError:
        return
    assert len(parsed) <= 64


@pytest.mark.parametrize(
    ("kind", "length", "words"),
    [
        (Hex(1), 2, "must be 1 byte in lower-case hex, not 2 bytes"),
        (Hex(8), 7, "must be 8 bytes in lower-case hex, not 7 bytes"),
        (Hex(8, 16), 17, "must be 8 to 16 bytes in lower-case hex, not 17 bytes"),
    ],
)
def test_a_wrong_length_is_told_with_the_right_one(kind: Hex, length: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind.parse("00" * length)


def test_in_python_the_values_are_bytes_and_text_is_refused() -> None:
    adapter = TypeAdapter(Annotated[bytes, Hex(1)])

    assert adapter.validate_python(b"\x01") == b"\x01"
    with pytest.raises(ValidationError):
        adapter.validate_python("01")
