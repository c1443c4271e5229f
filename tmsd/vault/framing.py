"""Frames on the socket between front and worker: a length of 4 bytes, then a message.

The length is checked against the largest message of its direction before anything is read into
memory, and against the largest of its kind when that is known: a CRL is large, and nothing else.
"""

from typing import Generic, TypeVar

import msgspec

from tmsd.vault.message import Framed

LENGTH_BYTES = 4

M = TypeVar("M", bound=Framed)

_encoder = msgspec.msgpack.Encoder()


class FrameError(Exception):
    """The other side does not keep to the protocol; the connection is of no more use."""


def encode(message: Framed) -> bytes:
    """Return the frame of a message.

    Raises:
        FrameError: the message is larger than one of its kind may be.
    """
    body = _encoder.encode(message)
    _require_bounded(message, len(body))
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class FrameReader(Generic[M]):
    """Cuts a byte stream into messages of one type."""

    def __init__(self, message_type: type[M]) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(message_type)
        self._largest = message_type.LARGEST
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[M]:
        """Take in what was received and return the messages that it completes.

        Raises:
            FrameError: an announced length is over the limit, or a message is not of the
                type, has an unknown field, or breaks one of its bounds.
        """
        self._buffer += received
        messages = []
        while (end := self._end()) is not None:
            # Not copied, as it can be megabytes.
            with memoryview(self._buffer)[LENGTH_BYTES:end] as body:
                messages.append(self._decoded(body))
            del self._buffer[:end]
        return messages

    def _decoded(self, body: memoryview) -> M:
        try:
            message = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FrameError(f"not a message of the protocol: {error}") from error
        _require_bounded(message, len(body))
        return message

    def _end(self) -> int | None:
        """Return where the first message ends; None before it is complete."""
        if len(self._buffer) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if length > self._largest:
            raise FrameError(
                f"a message of {length} bytes is announced; {self._largest} are allowed"
            )
        end = LENGTH_BYTES + length
        return end if len(self._buffer) >= end else None


def _require_bounded(message: Framed, length: int) -> None:
    if length > message.largest:
        raise FrameError(f"a message of {length} bytes; {message.largest} are allowed")
