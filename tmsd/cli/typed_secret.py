"""A secret that somebody types: a PIN, a password, a component of a key."""

import click

from hsm.secret import Secret
from tmsd.ceremony.people import Ended


def typed_secret(prompt: str, *, twice: bool = False) -> Secret:
    """Let somebody type a secret where it is not shown.

    Args:
        prompt: what it is.
        twice: whether it is typed again, as one that is new.

    Raises:
        Ended: they type nothing.
    """
    typed = click.prompt(
        prompt,
        hide_input=True,
        default="",
        show_default=False,
        confirmation_prompt="the same again" if twice else False,
    )
    if not typed:
        raise Ended("nothing was typed")
    return Secret(typed.encode())
