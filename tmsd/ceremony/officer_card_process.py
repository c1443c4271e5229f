"""`python -m tmsd.ceremony.officer_card_process`: where an officer's card is used, once.

The module of a card is another vendor's than the HSM's; a reader may never answer; and Python keeps
copies of a PIN that nobody can wipe. All of that ends with this process.
"""

import argparse
import signal
import socket
import sys
from io import BufferedRWPair
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.errors import HsmError
from hsm.hang import process_ending_after
from hsm.module import load_module
from hsm.secret import Secret
from hsm.smart_card import SmartCard, SmartCardKey, smart_cards
from tmsd.ceremony.officer_card_messages import Failed, Look, Seen, SeenCard, SeenKey, Sign, Signed
from tmsd.private_memory import keep_memory_private

_Found = list[tuple[SmartCard, list[SmartCardKey]]]


def main() -> int:
    """Answer a `Look`, then at most one `Sign`, on an inherited socket."""
    parser = argparse.ArgumentParser(prog="tmsd.ceremony.officer_card_process", description=__doc__)
    parser.add_argument("--descriptor", type=int, required=True, help="the socket")
    parser.add_argument("--seconds", type=float, required=True, help="how long a reader may take")
    arguments = parser.parse_args()
    # It holds the PIN.
    keep_memory_private()
    # What a hang is ended by (hsm/hang.py); whoever started this may have left it ignored.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # Ctrl-C reaches the whole group; the ceremony ends this process by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (
        socket.socket(fileno=arguments.descriptor) as connection,
        connection.makefile("rwb") as stream,
    ):
        _serve(stream, arguments.seconds)
    return 0


def _serve(stream: BufferedRWPair, seconds: float) -> None:
    try:
        look = msgspec.json.decode(stream.readline(), type=Look)
        with process_ending_after(seconds):
            found = _look(look)
        _answer(stream, Seen(tuple(_seen(card, keys) for card, keys in found)))
        if line := stream.readline():
            sign = msgspec.json.decode(line, type=Sign)
            pin = Secret(stream.read(sign.pin_length))
            with process_ending_after(seconds):
                signature = _sign(found, sign, pin)
            _answer(stream, Signed(signature))
    except HsmError as error:
        _answer(stream, Failed(type(error).__name__, str(error)))


def _look(look: Look) -> _Found:
    module = load_module(Path(look.module), {})
    return [(card, card.keys()) for card in smart_cards(module, look.label, look.serial)]


def _sign(found: _Found, sign: Sign, pin: Secret) -> bytes:
    card, keys = found[sign.card]
    return card.sign(keys[sign.key], sign.message, pin)


def _seen(card: SmartCard, keys: list[SmartCardKey]) -> SeenCard:
    return SeenCard(card.label, card.serial, card.tries, tuple(map(_seen_key, keys)))


def _seen_key(key: SmartCardKey) -> SeenKey:
    encoded = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SeenKey(key.id.hex(), key.label, encoded)


def _answer(stream: BufferedRWPair, answer: Seen | Signed | Failed) -> None:
    stream.write(msgspec.json.encode(answer) + b"\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
