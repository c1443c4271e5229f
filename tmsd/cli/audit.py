"""`tmsctl audit`: what an auditor does with an audit log."""

import sys
from pathlib import Path

import click

from hsm.errors import HsmError
from tmsd.audit.verification import Fault, VerificationReport
from tmsd.audit.verification import verify as verify_chain
from tmsd.ceremony.configured_token import configured_token, token_address
from tmsd.ceremony.receipt_macs import ReceiptMacs
from tmsd.config.daemon import load_daemon_config
from tmsd.config.toml import ConfigError

_LIMITS = (
    "Not shown by this: whether records after the last were cut off, or the whole chain was\n"
    "written anew. Compare the last number and hash with a note of them kept elsewhere.\n"
    "Nor what a worker answered after the last receipt of it."
)
_UNCHECKED = (
    "their MACs were NOT checked, so whoever can write the file could have made them up;\n"
    "         --config FILE checks them in the HSM"
)


@click.group()
def audit() -> None:
    """Read and verify audit logs."""


@audit.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="tmsd.toml: log in to its HSM, and check the MACs of workers' receipts as well",
)
def verify(file: Path, config_file: Path | None) -> None:
    """Verify the chain in FILE and name every faulty line.

    Exit code: 0 where there is no fault, 1 where there is one, 2 where FILE cannot be read or
    the HSM cannot be asked.
    """
    try:
        report, receipts = _verified(file, config_file)
    except OSError as error:
        click.echo(f"{file} cannot be read: {error.strerror}", err=True)
        sys.exit(2)
    except (HsmError, ConfigError) as error:
        click.echo(f"receipts cannot be checked: {error}", err=True)
        sys.exit(2)
    _print_report(file, report, receipts)
    sys.exit(0 if report.clean else 1)


def _verified(file: Path, config_file: Path | None) -> tuple[VerificationReport, str]:
    """Return the report, and how the receipts' MACs were checked."""
    size = file.stat().st_size

    def tell(line: int, read: int) -> None:
        click.echo(f"line {line}, {min(read / max(size, 1), 1):.0%}", err=True)

    if config_file is None:
        return verify_chain(file, _print_fault, on_progress=tell), _UNCHECKED
    hsm = load_daemon_config(config_file).hsm
    with configured_token(hsm) as token:
        macs = ReceiptMacs(token)
        report = verify_chain(file, _print_fault, flaw=macs.flaw, on_progress=tell)
    versions = ", ".join(map(str, sorted(macs.versions))) or "none"
    return report, f"their MACs were checked by {token_address(hsm)}, key versions {versions}"


def _print_fault(fault: Fault) -> None:
    click.echo(str(fault))


def _print_report(file: Path, report: VerificationReport, receipts: str) -> None:
    click.echo(f"{file}: records {report.records}, faults {report.fault_count}")
    if report.first_time and report.last:
        last = report.last
        click.echo(f"first    {report.first_time:%Y-%m-%d %H:%M:%S.%f} UTC")
        click.echo(f"last     {last.time:%Y-%m-%d %H:%M:%S.%f} UTC, number {last.sequence}")
        click.echo(f"its hash {last.hash}")
    click.echo(f"receipts {report.receipts}: {receipts}")
    if report.discarded:
        click.echo(f"discarded {report.discarded}: decisions that could not be recorded")
    click.echo(_LIMITS)
