"""`tmsctl`: the commands by which people look after a tmsd and its HSM."""

import errno
import resource

import click

from hsm.errors import HsmError
from tmsd.ceremony.refusal import Refused
from tmsd.cli.audit import audit
from tmsd.cli.check import check
from tmsd.cli.key import key
from tmsd.cli.quickstart import quickstart
from tmsd.config.toml import ConfigError


class _Commands(click.Group):
    """Commands whose foreseeable failures are one message and exit code 1, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (Refused, HsmError, ConfigError) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has gone; click knows
                raise
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{place}{error.strerror or error}") from error


@click.group(cls=_Commands)
@click.version_option(package_name="tmsd", prog_name="tmsctl")
def tmsctl() -> None:
    """Look after a tmsd: its configuration, its HSM's keys, its audit log.

    Exit codes: 0 done, 1 refused or failed, 2 the command line is wrong.
    """
    # A core dump would hold PINs and what custodians type.
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


tmsctl.add_command(audit)
tmsctl.add_command(check)
tmsctl.add_command(key)
tmsctl.add_command(quickstart)


def main() -> None:
    """Run the command line."""
    tmsctl(prog_name="tmsctl")


if __name__ == "__main__":
    main()
