"""BER-TLV data objects as cards use them: ISO/IEC 7816-4, 5.2.2.

Tags are one or two bytes, because GET DATA can name no longer one in P1 P2; lengths are
definite, minimal and at most 65535.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataObject:
    """A tag, as the number its bytes spell, and its value field."""

    tag: int
    value: bytes

    def encode(self) -> bytes:
        """Return tag, length and value."""
        tag = self.tag.to_bytes(2 if self.tag > 0xFF else 1)
        return tag + _encode_length(len(self.value)) + self.value


def encode(tag: int, *parts: bytes) -> bytes:
    """Return one data object whose value is the parts put together."""
    return DataObject(tag, b"".join(parts)).encode()


def parse(data: bytes) -> list[DataObject]:
    """Read a series of data objects.

    Raises:
        ValueError: where the bytes are not a whole number of well-formed data objects.
    """
    found = []
    while data:
        tag, data = _take_tag(data)
        length, data = _take_length(data)
        if length > len(data):
            raise ValueError(f"the value of tag {tag:X} is cut short")
        found.append(DataObject(tag, data[:length]))
        data = data[length:]
    return found


def _take_tag(data: bytes) -> tuple[int, bytes]:
    if data[0] & 0x1F != 0x1F:
        if data[0] == 0x00:
            raise ValueError("00 is no tag")
        return data[0], data[1:]
    if len(data) < 2 or data[1] & 0x80 or data[1] < 0x1F:
        raise ValueError("a tag is one or two bytes, the shorter form where it fits")
    return int.from_bytes(data[:2]), data[2:]


def _take_length(data: bytes) -> tuple[int, bytes]:
    if not data:
        raise ValueError("a data object ends after its tag")
    if data[0] < 0x80:
        return data[0], data[1:]
    size = data[0] & 0x7F
    length = int.from_bytes(data[1 : 1 + size])
    if data[: 1 + size] != _encode_length(length):
        raise ValueError("a length is definite and in its shortest form")
    return length, data[1 + size :]


def _encode_length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    if length <= 0xFF:
        return bytes([0x81, length])
    return b"\x82" + (length & 0xFFFF).to_bytes(2)
