"""The PIV Card Application PIN and its retry counter: SP73 part 1, 2.4.3 and part 2, 3.2.1."""

from tests.pcsc.apdu import Refusal, StatusWord

LENGTH = 8
"""Length of the PIN as it is sent, in bytes: 6 to 8 digits, then FF."""

_TRIES = 0x63C0  # with the number of tries that are left in its last digit


class Pin:
    """A PIN that is on a card.

    Args:
        digits: 6 to 8 of them.
        tries: how many wrong ones in a row block it, 1 to 15.
    """

    def __init__(self, digits: str, tries: int = 3) -> None:
        if not (digits.isdecimal() and 6 <= len(digits) <= LENGTH):
            raise ValueError("a PIN is 6 to 8 digits")
        self._value = digits.encode().ljust(LENGTH, b"\xff")
        self._most = tries
        self.tries_left = tries

    def require_unblocked(self) -> None:
        """Refuse with 6983 where no try is left."""
        if self.tries_left == 0:
            raise Refusal(StatusWord.AUTHENTICATION_METHOD_BLOCKED)

    def verify(self, sent: bytes) -> None:
        """Compare what was sent.

        Raises:
            Refusal: 6983 where the PIN is blocked, 6A80 where this can be no PIN, which costs no
                try, and 63Cx where it is a wrong one, with the number of tries left.
        """
        self.require_unblocked()
        digits = sent.rstrip(b"\xff")
        if len(sent) != LENGTH or not digits.isdigit() or len(digits) < 6:
            raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
        if sent != self._value:
            self.tries_left -= 1
            raise self.wanted()
        self.tries_left = self._most

    def wanted(self) -> Refusal:
        """Return the answer to who asks whether the PIN is needed: 63Cx."""
        return Refusal(_TRIES | self.tries_left)
