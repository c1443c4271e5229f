"""Cards of any kind that misbehave, around a `Token` that behaves; each is a token itself."""

import threading

from tests.pcsc.vpcd import Token, TornOut


class Around:
    """What is in the place of another card, and is reset with it."""

    def __init__(self, token: Token) -> None:
        self.token = token

    @property
    def atr(self) -> bytes:
        """The ATR of the card within."""
        return self.token.atr

    def reset(self) -> None:
        """Reset the card within."""
        self.token.reset()


class VanishingCard(Around):
    """Leaves the reader when it gets the instruction, without a byte of an answer."""

    def __init__(self, token: Token, instruction: int) -> None:
        super().__init__(token)
        self.instruction = instruction

    def transmit(self, apdu: bytes) -> bytes:
        """Answer, or be gone."""
        if apdu[1:2] == bytes([self.instruction]):
            raise TornOut(f"in mid-APDU, instruction {self.instruction:02X}")
        return self.token.transmit(apdu)


class SilentCard(Around):
    """Stays in the reader when it gets the instruction, and answers only once it is let go."""

    def __init__(self, token: Token, instruction: int) -> None:
        super().__init__(token)
        self.instruction = instruction
        self.let_go = threading.Event()

    def transmit(self, apdu: bytes) -> bytes:
        """Answer, sooner or later."""
        if apdu[1:2] == bytes([self.instruction]):
            self.let_go.wait()
        return self.token.transmit(apdu)
