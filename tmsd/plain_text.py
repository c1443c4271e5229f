"""Text from elsewhere, as it may stand on a screen and in a record: one line that hides nothing."""

LONGEST = 1000
"""Length of the longest such text, in characters."""


def plain(text: str) -> str:
    """Return text in one line, with escapes for what cannot be printed, and cut where it is long.

    A terminal obeys some characters, and others are not seen or change the order of what is.
    """
    line = "; ".join(text[:LONGEST].splitlines())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)[:LONGEST]
