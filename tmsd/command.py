"""`tmsd --config FILE` serves callers, `tmsd ocsp --config FILE` relying parties.

Each is a process of its own that loads its own code alone.
"""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(invoke_without_command=True)
@click.option("--config", "config_file", metavar="FILE", type=_FILE, help="tmsd.toml")
@click.version_option(package_name="tmsd")
@click.pass_context
def main(context: click.Context, config_file: Path | None) -> None:
    """Serve the keys of an HSM to token processing systems over mutual TLS."""
    if context.invoked_subcommand is not None:
        if config_file is not None:
            raise click.UsageError("--config stands after the command")
        return
    if config_file is None:
        raise click.UsageError("Missing option '--config'.")
    from tmsd.daemon.main import serve  # noqa: PLC0415  the code of this process alone

    serve(config_file)


@main.command()
@click.option(
    "--config", "config_file", metavar="FILE", type=_FILE, required=True, help="tmsd.toml"
)
def ocsp(config_file: Path) -> None:
    """Tell relying parties what became of certificates, over plain HTTP (docs/ocsp.md)."""
    from tmsd.responder.main import serve  # noqa: PLC0415  as above: none of the front's

    serve(config_file)
