"""The options that name tmsd.toml, and which of its tokens."""

from pathlib import Path

import click

from tmsd.config.daemon import DaemonConfig
from tmsd.config.hsm import HsmConfig
from tmsd.config.toml import ConfigError, Fault

configuration = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="tmsd.toml, which names the token and the policy.",
)

in_token_for_nonces = click.option(
    "--nonces", is_flag=True, help="In the token of [ocsp.nonces.hsm], and not in that of [hsm]."
)


def token_table(config: DaemonConfig, *, nonces: bool) -> HsmConfig:
    """Return the table of the token that a command is about.

    Raises:
        ConfigError: it is the one for nonces, and there is none.
    """
    if not nonces:
        return config.hsm
    if config.ocsp.nonces is None:
        raise ConfigError([Fault(config.source, None, "ocsp.nonces", "must name a token")])
    return config.ocsp.nonces.hsm
