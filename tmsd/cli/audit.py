"""`tmsctl audit`: what an auditor does with an audit log."""

import sys
from pathlib import Path

import click

from tmsd.audit.verification import Fault, VerificationReport
from tmsd.audit.verification import verify as verify_chain

_LIMITS = (
    "Not shown by this: whether records after the last were cut off, or the whole chain was\n"
    "written anew. Compare the last number and hash with a note of them kept elsewhere.\n"
    "Nor what a worker answered after the last receipt of it, nor whether the receipts are\n"
    "the workers' own: that takes the key of their MACs, which is in the HSM."
)


@click.group()
def audit() -> None:
    """Read and verify audit logs."""


@audit.command()
@click.argument("file", type=click.Path(path_type=Path))
def verify(file: Path) -> None:
    """Verify the chain in FILE and name every faulty line.

    Exit code: 0 where there is no fault, 1 where there is one, 2 where FILE cannot be read.
    """
    try:
        report = verify_chain(file, on_fault=_print_fault)
    except OSError as error:
        click.echo(f"{file} cannot be read: {error.strerror}", err=True)
        sys.exit(2)
    _print_report(file, report)
    sys.exit(0 if report.clean else 1)


def _print_fault(fault: Fault) -> None:
    click.echo(str(fault))


def _print_report(file: Path, report: VerificationReport) -> None:
    click.echo(f"{file}: records {report.records}, faults {report.fault_count}")
    if report.first_time and report.last:
        last = report.last
        click.echo(f"first    {report.first_time:%Y-%m-%d %H:%M:%S.%f} UTC")
        click.echo(f"last     {last.time:%Y-%m-%d %H:%M:%S.%f} UTC, number {last.sequence}")
        click.echo(f"its hash {last.hash}")
    if report.discarded:
        click.echo(f"discarded {report.discarded}: decisions that could not be recorded")
    click.echo(_LIMITS)
