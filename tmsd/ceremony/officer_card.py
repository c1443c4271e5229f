"""Officers' keys on smart cards: what is in the readers, and a signer over a card.

Each signature has a process of its own, which loads the card's PKCS#11 module and ends with it
(officer_card_process.py).
"""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from hsm.errors import (
    HsmError,
    KeyNotFound,
    MechanismUnavailable,
    ModuleUnavailable,
    PinRefused,
    TokenLost,
    TokenNotFound,
)
from hsm.secret import Secret
from hsm.smart_card import PinTries
from tmsd.ceremony.binding import CardOfOfficer
from tmsd.ceremony.officer_card_messages import Failed, Look, Seen, SeenCard, Sign, Signed

_PROGRAM = "tmsd.ceremony.officer_card_process"
_SECONDS = 60.0
"""How long the readers may take for an answer; the slowest card signs within seconds."""
_END_SECONDS = 5.0
_NO_PIN = bytearray()
_ERRORS: Mapping[str, type[HsmError]] = {
    kind.__name__: kind
    for kind in (
        KeyNotFound,
        MechanismUnavailable,
        ModuleUnavailable,
        PinRefused,
        TokenLost,
        TokenNotFound,
    )
}


class OfficerCard:
    """A key on a card that is in a reader when it is asked to sign.

    Args:
        place: which card, and by which module.
        public_key: the key's SubjectPublicKeyInfo in DER.
        ask: for the PIN; what it returns is wiped.
        seconds: how long the reader may take for an answer.
    """

    def __init__(
        self,
        place: CardOfOfficer,
        public_key: bytes,
        ask: Callable[[str], Secret],
        seconds: float = _SECONDS,
    ) -> None:
        self._place = place
        self._public_key = public_key
        self._ask = ask
        self._seconds = seconds

    @property
    def public_key(self) -> bytes:
        """The SubjectPublicKeyInfo, in DER."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Sign a message; the PIN is asked for once, and tried once.

        Raises:
            TokenNotFound, KeyNotFound: no card in a reader has the key, or several do.
            PinRefused: the PIN is wrong, or the card is blocked.
            HsmError: the card refuses, or does not answer, or is gone.
        """
        with _process(self._seconds) as process:
            cards = process.look(self._place)
            card, key = _place_of(self._public_key, cards, self._place)
            with self._ask(_asked_for(cards[card])) as pin:
                return process.sign(card, key, message, pin)


def cards_in_readers(place: CardOfOfficer, seconds: float = _SECONDS) -> tuple[SeenCard, ...]:
    """Return the cards that are meant, with the keys that they show without a PIN.

    Raises:
        TokenNotFound: there is none.
        HsmError: the module or a card refuses, or does not answer.
    """
    with _process(seconds) as process:
        return process.look(place)


@dataclass(frozen=True, slots=True)
class _CardProcess:
    """A process that answers once, or twice."""

    running: subprocess.Popen[bytes]
    connection: socket.socket
    answers: BinaryIO
    seconds: float

    def look(self, place: CardOfOfficer) -> tuple[SeenCard, ...]:
        """Return the cards in the readers: at least one."""
        self._send(Look(str(place.module), place.token_label, place.token_serial))
        answer: Seen | Failed = msgspec.json.decode(self._line(), type=Seen | Failed)
        if isinstance(answer, Failed):
            raise _error(answer)
        if not answer.cards:
            raise TokenNotFound(
                f"{_words(place)} is in no reader that {place.module} can reach: put it in, and "
                "see that pcscd runs"
            )
        return answer.cards

    def sign(self, card: int, key: int, message: bytes, pin: bytearray) -> bytes:
        """Return a signature."""
        self._send(Sign(card, key, message, len(pin)), pin)
        answer: Signed | Failed = msgspec.json.decode(self._line(), type=Signed | Failed)
        if isinstance(answer, Failed):
            raise _error(answer)
        return answer.signature

    def _send(self, message: Look | Sign, pin: bytearray = _NO_PIN) -> None:
        try:
            self.connection.sendall(msgspec.json.encode(message) + b"\n")
            self.connection.sendall(pin)  # by itself, as no copy of it should be made here
        except BrokenPipeError:
            raise self._lost() from None

    def _line(self) -> bytes:
        line = self.answers.readline()
        if not line:
            raise self._lost()
        return line

    def _lost(self) -> TokenLost:
        _end(self.running)
        code = self.running.returncode
        if code == -signal.SIGALRM:
            return TokenLost(f"the reader did not answer within {self.seconds:g} s")
        return TokenLost(f"the process in which the card was used has failed ({code})")


@contextmanager
def _process(seconds: float) -> Iterator[_CardProcess]:
    """Start a process; it ends when its connection does, or is killed."""
    here, there = socket.socketpair()
    with there:
        descriptor = str(there.fileno())
        running = subprocess.Popen(  # noqa: S603  this interpreter, and what is told is a number
            [sys.executable, "-m", _PROGRAM, "--descriptor", descriptor, "--seconds", str(seconds)],
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
        )
    try:
        with here, here.makefile("rb") as answers:
            yield _CardProcess(running, here, answers, seconds)
    finally:
        _end(running)


def _end(running: subprocess.Popen[bytes]) -> None:
    try:
        running.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def _place_of(
    public_key: bytes, cards: tuple[SeenCard, ...], place: CardOfOfficer
) -> tuple[int, int]:
    """Return where the one key with this public half is.

    Raises:
        KeyNotFound: there is none, or two.
        PinRefused: its card is blocked.
    """
    places = [
        (number, card.keys.index(key))
        for number, card in enumerate(cards)
        for key in card.keys
        if key.public_key == public_key
    ]
    if len(places) != 1:
        there = ", ".join(repr(card.label) for card in cards)
        count = "two keys fit" if places else "none has the key that is pinned"
        raise KeyNotFound(f"{_words(place)}: {count}; in the readers: {there}")
    card = cards[places[0][0]]
    if card.tries is PinTries.NONE:
        raise PinRefused(
            f"card {card.label!r} is blocked, after too many wrong PINs; whoever issued it can "
            "unblock it"
        )
    return places[0]


def _asked_for(card: SeenCard) -> str:
    left = ", of which one try is left" if card.tries is PinTries.ONE else ""
    return f"PIN of card {card.label!r}{left}"


def _words(place: CardOfOfficer) -> str:
    label = f" {place.token_label!r}" if place.token_label else ""
    serial = f" with serial {place.token_serial}" if place.token_serial else ""
    return f"the card{label}{serial}"


def _error(failed: Failed) -> HsmError:
    return _ERRORS.get(failed.error, HsmError)(failed.words)
