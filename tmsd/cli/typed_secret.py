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
    typed = typed_unseen(prompt, twice=twice)
    if not typed:
        raise Ended("nothing was typed")
    return Secret(typed.encode())


def typed_unseen(prompt: str, *, twice: bool = False) -> str:
    """Return what somebody types where it is not shown, which may be nothing."""
    while True:
        try:
            typed: str = click.prompt(
                prompt,
                hide_input=True,
                default="",
                show_default=False,
                confirmation_prompt="the same again" if twice else False,
            )
        except UnicodeDecodeError:  # it would end as a traceback that repeats some of it
            click.echo("That was no text in UTF-8: type it again", err=True)
        else:
            return typed
