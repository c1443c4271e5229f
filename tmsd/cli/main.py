"""`tmsctl`: the commands by which people look after a tmsd and its HSM."""

import errno
import os
import resource
import sys

import click

from hsm.errors import HsmError
from tmsd.ceremony.people import Ended
from tmsd.ceremony.refusal import Refused
from tmsd.cli.appliance import REFUSALS
from tmsd.cli.audit import audit
from tmsd.cli.ca import ca
from tmsd.cli.ceremony import ceremony
from tmsd.cli.check import check
from tmsd.cli.check_hsm import check_hsm
from tmsd.cli.hsm import hsm
from tmsd.cli.inventory import inventory
from tmsd.cli.key import key
from tmsd.cli.officer import officer
from tmsd.cli.policy import policy
from tmsd.cli.quickstart import quickstart
from tmsd.config.toml import ConfigError
from tmsd.quorum.refusal import ApprovalRefused


class _Commands(click.Group):
    """Commands whose foreseeable failures are one message and exit code 1, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (Refused, Ended, ApprovalRefused, HsmError, ConfigError, *REFUSALS) as error:
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
    # What commands and PKCS#11 modules write is its owner's; public files say so themselves.
    os.umask(0o077)


check.add_command(check_hsm)
tmsctl.add_command(audit)
tmsctl.add_command(ca)
tmsctl.add_command(ceremony)
tmsctl.add_command(check)
tmsctl.add_command(hsm)
tmsctl.add_command(inventory)
tmsctl.add_command(key)
tmsctl.add_command(officer)
tmsctl.add_command(policy)
tmsctl.add_command(quickstart)


def main() -> None:
    """Run the command line; output that cannot be written is a failure like any other."""
    status: object = 0
    try:
        tmsctl(prog_name="tmsctl")
    except SystemExit as end:
        status = end.code
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must not fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not status:
            click.echo(f"Error: standard output: {error.strerror}", err=True)
        status = status or 1
    sys.exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main()
