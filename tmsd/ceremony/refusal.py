"""The refusal of a ceremony step by a rule of tmsd, as against one by the HSM."""


class Refused(Exception):
    """A step that a rule forbids; the message says which, and what would be right.

    It holds no secret. Nothing was changed.
    """
