"""Frames on the socket between front and worker: a length of 4 bytes, then a message.

The length is checked against the largest message before anything is read into memory.
"""

from typing import Generic, TypeVar

import msgspec

from tmsd.vault.messages import Question, Reply

LENGTH_BYTES = 4
# 64 short APDUs, a session and what surrounds them come to less than 32 KiB.
MAX_FRAME = 64 * 1024

M = TypeVar("M", Question, Reply)

_encoder = msgspec.msgpack.Encoder()


class FrameError(Exception):
    """The other side does not keep to the protocol; the connection is of no more use."""


def encode(message: Question | Reply) -> bytes:
    """Return the frame of a message.

    Raises:
        FrameError: the message is larger than a frame may be.
    """
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise FrameError(f"a message of {len(body)} bytes; {MAX_FRAME} are allowed")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class FrameReader(Generic[M]):
    """Cuts a byte stream into messages of one type."""

    def __init__(self, message_type: type[M]) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(message_type)
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[M]:
        """Take in what was received and return the messages that it completes.

        Raises:
            FrameError: an announced length is over the limit, or a message is not of the
                type, has an unknown field, or breaks one of its bounds.
        """
        self._buffer += received
        messages = []
        while (body := self._next_body()) is not None:
            try:
                messages.append(self._decoder.decode(body))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise FrameError(f"not a message of the protocol: {error}") from error
        return messages

    def _next_body(self) -> bytes | None:
        if len(self._buffer) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if length > MAX_FRAME:
            raise FrameError(f"a message of {length} bytes is announced; {MAX_FRAME} are allowed")
        end = LENGTH_BYTES + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[LENGTH_BYTES:end])
        del self._buffer[:end]
        return body
