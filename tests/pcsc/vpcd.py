"""Putting a card into a reader: the client of vsmartcard's vpcd driver.

The driver listens; a card is inserted by connecting and torn out by disconnecting. Each
message either way is a 2-byte big-endian length and a body. A body of one byte is a control
code; all others are command APDUs, and these and the ATR are answered by one message.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Protocol, Self

POWER_OFF, POWER_ON, RESET, GET_ATR = 0x00, 0x01, 0x02, 0x04

_CONNECT_SECONDS = 5.0
_STOP_SECONDS = 5.0


class Token(Protocol):
    """Whatever can be put into a reader."""

    @property
    def atr(self) -> bytes:
        """The answer to reset, 2..33 bytes."""

    def reset(self) -> None:
        """Forget what does not survive a reset or a loss of power."""

    def transmit(self, apdu: bytes) -> bytes:
        """Answer a command APDU; raise `TornOut` to leave the reader without an answer."""


class TornOut(Exception):
    """The card has left its reader."""


def encode_message(body: bytes) -> bytes:
    """Return length and body; at most 65535 bytes of body, struct.error beyond."""
    return struct.pack(">H", len(body)) + body


def read_message(receive: Callable[[int], bytes]) -> bytes | None:
    """Read one body; None where the other end has closed between two messages.

    Args:
        receive: returns at most as many bytes as asked for, none at the end of the stream.

    Raises:
        EOFError: where the stream ends within a message.
    """
    head = _read_exactly(receive, 2, may_end=True)
    if head is None:
        return None
    return _read_exactly(receive, struct.unpack(">H", head)[0])


def _read_exactly(
    receive: Callable[[int], bytes], length: int, *, may_end: bool = False
) -> bytes | None:
    data = b""
    while len(data) < length:
        more = receive(length - len(data))
        if not more and may_end and not data:
            return None
        if not more:
            raise EOFError("vpcd closed the connection within a message")
        data += more
    return data


def answer(token: Token, body: bytes) -> bytes | None:
    """Let the token act on one message; return the body to send back, if there is one."""
    if len(body) != 1:
        return token.transmit(body)
    if body[0] == GET_ATR:
        return token.atr
    if body[0] in (POWER_OFF, POWER_ON, RESET):
        token.reset()
        return None
    raise ValueError(f"vpcd sent the unknown control code {body[0]:02X}")


class InsertedCard:
    """A token in a reader, served by a thread until `remove` or the end of the `with` block.

    Args:
        token: the card.
        port: where vpcd listens on this machine.

    Raises:
        ConnectionRefusedError: where no vpcd listens there.
    """

    def __init__(self, token: Token, port: int) -> None:
        self.token = token
        self.left_by_itself = False
        self.failure: Exception | None = None
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_SECONDS)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._serve, name=f"card in :{port}", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the card has left the reader."""
        self._thread.join()

    def remove(self) -> None:
        """Take the card out; raise what it died of, if it did."""
        with contextlib.suppress(OSError):  # vpcd or the card has closed it already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            raise TimeoutError(f"the card did not answer within {_STOP_SECONDS} s of its removal")
        if self.failure is not None:
            raise self.failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.remove()

    def _serve(self) -> None:
        with self._socket:
            try:
                while (body := read_message(self._receive)) is not None:
                    reply = answer(self.token, body)
                    if reply is not None:
                        self._socket.sendall(encode_message(reply))
            except TornOut:
                self.left_by_itself = True
            except (ConnectionError, EOFError):
                return  # the reader is gone, which is no fault of the card
            except Exception as error:  # noqa: BLE001 - kept for `remove`, which raises it
                self.failure = error

    def _receive(self, length: int) -> bytes:
        # vpcd sends length and body apart; without an immediate acknowledgement of the first,
        # Nagle's algorithm holds the second back for 40 ms. The option lasts one recv at most.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._socket.recv(length)
