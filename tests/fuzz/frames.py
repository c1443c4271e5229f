"""The framing between front and worker.

An input is: which end reads (1 byte), how many bytes arrive at a time (1 byte), and what arrives.
"""

from collections.abc import Iterator
from typing import TypeVar

from tmsd.errors import Code
from tmsd.vault import card_messages, messages, worker_messages
from tmsd.vault.framing import FrameError, FrameReader, encode
from tmsd.vault.messages import Question, Reply

M = TypeVar("M", Question, Reply)

_CARD = card_messages.Card(bytes(29), ticket=b"ticket", scp_i=0x70, cuid=bytes(10))
_CHANNEL = card_messages.Channel(b"session", "pilot", 1, bytes(10))
_QUESTIONS: tuple[messages.AnyRequest, ...] = (
    card_messages.IssueChallenge("tps", 8),
    card_messages.OpenChannel("tps", "pilot", _CARD, 0x33),
    card_messages.WrapCommands("tps", b"session", [bytes(4), bytes(5)]),
    card_messages.UnwrapResponses("tps", b"session", [b"\x90\x00"]),
    card_messages.PutKey("tps", b"session", None, 2, "add"),
    card_messages.EncryptData("tps", b"session", "pin", bytes(16)),
)
_ANSWERS: tuple[messages.AnyAnswer, ...] = (
    card_messages.ChallengeIssued(bytes(8), b"ticket"),
    card_messages.ResponsesUnwrapped(
        _CHANNEL, [card_messages.UnwrappedResponse(b"\x90\x00", protected=True)], closed=False
    ),
    card_messages.PutKeyMade(_CHANNEL, bytes(5), [bytes(3)] * 3, key_material_in_worker=False),
    worker_messages.Refused(Code.APDU_TOO_LONG, "too long", "/apdus/0"),
)


def streams() -> Iterator[bytes]:
    """Yield frames of messages of many kinds, one by one and together."""
    questions = [encode(Question(n, 1.5, request)) for n, request in enumerate(_QUESTIONS, 1)]
    answers = [encode(Reply(n, answer)) for n, answer in enumerate(_ANSWERS)]
    for end, frames in ((b"\x00", questions), (b"\x01", answers)):
        yield end + b"\x05" + b"".join(frames)
        for frame in frames:
            yield end + b"\xff" + frame


def frames(data: bytes) -> None:
    """A stream is refused, or its messages are the same however it is cut."""
    if len(data) < 2:
        return
    step, stream = data[1] or 256, data[2:]
    if data[0] & 1:
        _read(FrameReader(Reply), FrameReader(Reply), stream, step)
    else:
        _read(FrameReader(Question), FrameReader(Question), stream, step)


def _read(whole: FrameReader[M], by_parts: FrameReader[M], stream: bytes, step: int) -> None:
    at_once = _encoded(whole, [stream])
    parts = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert _encoded(by_parts, parts) == at_once


def _encoded(reader: FrameReader[M], parts: list[bytes]) -> list[bytes] | None:
    """Return the messages, which encoded can be compared where a number is none; or None."""
    try:
        return [encode(message) for part in parts for message in reader.feed(part)]
    except FrameError:
        return None
