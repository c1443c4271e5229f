"""The refusal of a ceremony step by a rule of tmsd, as against one by the HSM."""

from tmsd.plain_text import plain


class Refused(Exception):
    """A step that a rule forbids; the message says which, and what would be right.

    It holds no secret, and nothing that a terminal obeys. Nothing was changed.
    """

    def __init__(self, words: str) -> None:
        super().__init__(plain(words))
