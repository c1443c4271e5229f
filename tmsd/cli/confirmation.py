"""Asking a person to type what is to be destroyed."""

import click

from hsm.keys import KeyReference
from tmsd.ceremony.refusal import Refused


def confirm(reference: KeyReference, what: str, value: str) -> None:
    """Let a person type a key's name, as `demo:1`, or another value that is its own.

    Args:
        reference: the key's label and version.
        what: the other value, in words.
        value: itself; empty if there is none.

    Raises:
        Refused: they typed something else.
    """
    name = f"{reference.label}:{reference.version}"
    shown = f"its {what} or {name}" if value else name
    typed = click.prompt(f"There is no way back. Type {shown} to destroy it").strip().lower()
    if typed not in {name.lower(), value} - {""}:
        raise Refused(f"that is neither its {what} nor {name}: nothing was destroyed")
