"""Cards that misbehave: what a host must survive, around a `Token` that behaves.

Each is a token itself and can be inserted, or wrapped again; but for `PowerLossMemory`, which
goes into a card.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.pcsc.apdu import StatusWord
from tests.pcsc.faults import Around
from tests.pcsc.vpcd import Token, TornOut
from tests.virtual_token.card import INITIALIZE_UPDATE
from tests.virtual_token.keyring import Keyring
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import CardProfile


def with_wrong_keys(profile: CardProfile) -> CardProfile:
    """Return the same card with other static keys: its cryptograms verify for nobody.

    A key that the card does not have, as beside a base key, it does not get either.
    """
    enc, mac, dek = (
        secrets.token_bytes(len(key)) for key in (profile.enc, profile.mac, profile.dek)
    )
    return replace(profile, enc=enc, mac=mac, dek=dek)


def random_bytes(answer: bytes) -> bytes:
    """Return as many random bytes in place of a response's data; the status word stays."""
    return secrets.token_bytes(len(answer) - 2) + answer[-2:]


def truncated(answer: bytes) -> bytes:
    """Return a response without the last byte of its data."""
    return answer[:-3] + answer[-2:]


def too_long(answer: bytes) -> bytes:
    """Return a response whose data has one byte more."""
    return answer[:-2] + b"\x00" + answer[-2:]


class GarblingCard(Around):
    """Answers INITIALIZE UPDATE with what `garble` makes of the right answer."""

    def __init__(self, token: Token, garble: Callable[[bytes], bytes]) -> None:
        super().__init__(token)
        self.garble = garble

    def transmit(self, apdu: bytes) -> bytes:
        """Answer, garbled where it is a successful INITIALIZE UPDATE."""
        answer = self.token.transmit(apdu)
        return self.garble(answer) if _opens_session(apdu, answer) else answer


class ReplayingCard(Around):
    """Answers every INITIALIZE UPDATE with the same recorded response, also after a reset.

    Args:
        token: answers everything else, and the first INITIALIZE UPDATE where nothing is
            recorded yet.
        recorded: a whole response APDU, with its status word.
    """

    def __init__(self, token: Token, recorded: bytes | None = None) -> None:
        super().__init__(token)
        self.recorded = recorded

    def transmit(self, apdu: bytes) -> bytes:
        """Answer, from the recording where it is INITIALIZE UPDATE."""
        if self.recorded is not None and _is_initialize_update(apdu):
            return self.recorded
        answer = self.token.transmit(apdu)
        if _opens_session(apdu, answer):
            self.recorded = answer
        return answer


class PowerLossMemory(NonVolatileMemory):
    """Loses power at the first PUT KEY, once, and so takes its card out without an answer.

    The command was right and the card about to obey. Put the card back (or `reset` it) to find
    out which keys it has.

    Args:
        path: see `NonVolatileMemory`.
        after_storing: whether the new keys are in the card by then, or the old ones still.
    """

    def __init__(self, path: Path | None = None, *, after_storing: bool) -> None:
        super().__init__(path)
        self._after_storing = after_storing
        self._fails_next = True

    def store_keys(self, keyring: Keyring, *, restarted: int | None) -> None:
        """Store, but for the first time."""
        loses_power, self._fails_next = self._fails_next, False
        if loses_power and not self._after_storing:
            raise TornOut("before its new keys were stored")
        super().store_keys(keyring, restarted=restarted)
        if loses_power:
            raise TornOut("after its new keys were stored, before it answered")


def _is_initialize_update(apdu: bytes) -> bool:
    return apdu[1:2] == bytes([INITIALIZE_UPDATE])


def _opens_session(apdu: bytes, answer: bytes) -> bool:
    return _is_initialize_update(apdu) and answer.endswith(StatusWord.OK.to_bytes(2))
