"""The option that names tmsd.toml, for every command that cannot do without it."""

from pathlib import Path

import click

configuration = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="tmsd.toml, which names the token and the policy.",
)
