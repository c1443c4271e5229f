"""How bytes are written in JSON: lower-case hex, and base64url for opaque tokens."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Hex:
    """Marks bytes that are written in lower-case hex: `Annotated[bytes, Hex(8, 16)]`.

    Args:
        shortest: the least length, in bytes.
        longest: the greatest length, in bytes; as the shortest unless given.
    """

    shortest: int
    longest: int = 0

    def parse(self, value: object) -> bytes:
        """Read a value; ValueError says what would be right."""
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise ValueError(f"must be {self._expected} in lower-case hex")
        length = len(value) // 2
        if not self.shortest <= length <= (self.longest or self.shortest):
            raise ValueError(f"must be {self._expected} in lower-case hex, not {length} bytes")
        return bytes.fromhex(value)

    @property
    def _expected(self) -> str:
        if self.longest:
            return f"{self.shortest} to {self.longest} bytes"
        return "1 byte" if self.shortest == 1 else f"{self.shortest} bytes"

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return _bytes_written_by(self.parse, bytes.hex)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        count = f"{self.shortest},{self.longest}" if self.longest else f"{self.shortest}"
        return {"type": "string", "pattern": f"^([0-9a-f]{{2}}){{{count}}}$"}


@dataclass(frozen=True, slots=True)
class Opaque:
    """Marks bytes that callers only carry, in base64url without padding.

    Args:
        longest: the greatest length, in bytes.
    """

    longest: int

    def parse(self, value: object) -> bytes:
        """Read a value; ValueError says what would be right."""
        if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
            raise ValueError("must be a token as it was received: base64url without padding")
        if len(value) > self._longest_text or len(value) % 4 == 1:
            raise ValueError("is not a token of this service")
        return urlsafe_b64decode(value + "=" * (-len(value) % 4))

    @property
    def _longest_text(self) -> int:
        return -(-self.longest * 4 // 3)

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return _bytes_written_by(self.parse, _text)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]+$",
            "maxLength": self._longest_text,
        }


def _bytes_written_by(
    parse: Callable[[object], bytes], write: Callable[[bytes], str]
) -> CoreSchema:
    """Bytes in Python, text in JSON."""
    return core_schema.json_or_python_schema(
        json_schema=core_schema.no_info_plain_validator_function(parse),
        python_schema=core_schema.bytes_schema(strict=True),
        serialization=core_schema.plain_serializer_function_ser_schema(write),
    )


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
