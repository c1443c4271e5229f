"""`tmsctl hsm`: what an operator does about the HSM login itself."""

from pathlib import Path

import click

from hsm.pin_latch import PinLatch
from tmsd.cli.configuration import configuration, in_token_for_nonces, token_table
from tmsd.config.daemon import load_daemon_config


@click.group()
def hsm() -> None:
    """Look after the login to the HSM."""


@hsm.command("unlatch")
@configuration
@in_token_for_nonces
@click.option("--yes", is_flag=True, help="do not ask")
def unlatch(config_file: Path, *, nonces: bool, yes: bool) -> None:
    """Let the workers try the PIN once more, after the HSM refused it.

    Do this when the PIN is right again: every wrong try can be the one that locks the token.
    A running daemon notices by itself.
    """
    latch = PinLatch(token_table(load_daemon_config(config_file), nonces=nonces).latch_file)
    latched = latch.state()
    click.echo(f"The latch is closed: {latched}" if latched else "The latch is open.")
    if not yes:
        click.confirm("Is the PIN right now, and shall it be tried once?", abort=True)
    latch.unlatch()
    click.echo("One try is allowed.")
