"""`tmsctl`: the commands by which people look after a tmsd and its HSM."""

import errno
import os
import sys
from importlib import import_module
from keyword import iskeyword

import click

from hsm.errors import HsmError
from tmsd.audit.chain_file import AuditFileError
from tmsd.ceremony.people import Ended
from tmsd.ceremony.refusal import Refused
from tmsd.config.toml import ConfigError
from tmsd.errors import ServiceError
from tmsd.private_memory import keep_memory_private
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.store.error import StoreError
from tmsd.vault.reaching import WorkerStartError

_FORESEEABLE = (
    ApprovalRefused,
    AuditFileError,
    ConfigError,
    Ended,
    HsmError,
    Refused,
    ServiceError,
    StoreError,
    WorkerStartError,
)

# Each is in the module of tmsd.cli that has its name (and a `_` where Python has that word), which
# is loaded when somebody asks for it.
_COMMANDS = (
    "audit",
    "ca",
    "ceremony",
    "check",
    "hsm",
    "import",
    "inventory",
    "key",
    "officer",
    "policy",
    "quickstart",
)


class _Commands(click.Group):
    """Commands whose foreseeable failures are one message and exit code 1, not a traceback."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        name += "_" * iskeyword(name)
        command: click.Command = getattr(import_module(f"tmsd.cli.{name}"), name)
        return command

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except _FORESEEABLE as error:
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
    # It holds PINs and what custodians type.
    keep_memory_private()
    # What commands and PKCS#11 modules write is its owner's; public files say so themselves.
    os.umask(0o077)


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
