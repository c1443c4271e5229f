"""`tmsctl ca`: certificates at the appliance: revoke them, write CRLs and chains."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.audit.trail import Trail
from tmsd.ca.publishing import answer_due, publish_crl
from tmsd.ca.revoking import Named, hold, release, revoke
from tmsd.ca.service import Certification
from tmsd.cli.appliance import done_at_appliance
from tmsd.cli.ca_issue import cross_certify, issue_certificate
from tmsd.cli.ca_propose import propose_certificate, propose_cross_certificate
from tmsd.cli.ca_records import list_cas, search_certificates, show_certificate
from tmsd.cli.ca_setup import make_root_certificate, request_for_signing
from tmsd.cli.certificate_options import authority_of, ca_option, names_a_certificate
from tmsd.cli.configuration import configuration
from tmsd.cli.output_file import out_option, require_place, write_public
from tmsd.cli.records import issued_record
from tmsd.errors import ServiceError
from tmsd.store.certificates import Reason, Revocation
from tmsd.store.crls import Scope
from tmsd.x509.distribution import MOST_PARTITIONS, WHOLE

_REASONS = [reason.value for reason in Reason if reason is not Reason.CERTIFICATE_HOLD]


@click.group()
def ca() -> None:
    """Make CAs, issue and revoke certificates, write CRLs, and look for certificates."""


for _command in (
    list_cas,
    search_certificates,
    show_certificate,
    make_root_certificate,
    request_for_signing,
    propose_certificate,
    issue_certificate,
    propose_cross_certificate,
    cross_certify,
):
    ca.add_command(_command)


@ca.command()
@configuration
@ca_option
@out_option
def chain(config_file: Path, ca_name: str, out: Path) -> None:
    """Write the CA's certificate and its issuers', the CA's first."""
    authority = authority_of(config_file, ca_name)
    write_public(out, b"".join(each.public_bytes(Encoding.PEM) for each in authority.chain))
    click.echo(f"{len(authority.chain)} certificates are in {out}")


@ca.command("crl")
@configuration
@ca_option
@click.option(
    "--partition",
    type=click.IntRange(1, MOST_PARTITIONS),
    help="Of this partition; without, of all certificates.",
)
@click.option("--delta", is_flag=True, help="Only what has changed since a complete one.")
@out_option
def write_crl(
    config_file: Path, ca_name: str, partition: int | None, delta: bool, out: Path
) -> None:
    """Sign a CRL of the present, and publish it."""
    scope = Scope(ca_name, partition or WHOLE)

    async def signed(service: Certification, trail: Trail) -> bytes:
        return (await publish_crl(service, scope, trail, delta=delta)).der

    require_place(out)
    crl = x509.load_der_x509_crl(done_at_appliance(config_file, "ca.crl", signed))
    write_public(out, crl.public_bytes(Encoding.PEM))
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    click.echo(f"CRL {number} of {scope} with {len(crl)} entries is in {out}")


@ca.command("revoke")
@configuration
@names_a_certificate
@click.option("--reason", type=click.Choice(_REASONS), help="Why; asked for if not given.")
@click.option("--invalid-since", type=click.DateTime(), help="When its key became unsafe, in UTC.")
@click.option("--yes", is_flag=True, help="Do not ask, as scripts need it.")
def revoke_certificate(
    config_file: Path,
    named: Named,
    reason: str | None,
    invalid_since: datetime | None,
    yes: bool,
) -> None:
    """Revoke a certificate for good, after showing whose it is."""
    authority_of(config_file, named.ca)
    record = issued_record(config_file, named)
    if reason is None or not yes:
        click.echo(f"{record.subject}, valid until {_day(record.not_after_ms)}, {record.status}")
    reason = reason or click.prompt("Reason", type=click.Choice(_REASONS))
    if not yes:
        click.confirm(f"Revoke it for good ({reason})?", abort=True)
    since = None
    if invalid_since is not None:
        since = int(invalid_since.replace(tzinfo=UTC).timestamp() * 1000)
    change = partial(revoke, named=named, reason=Reason(reason), invalidity_ms=since)
    before = _change(config_file, "ca.revoke", named, change)
    if before is not None and before.reason is not Reason.CERTIFICATE_HOLD:
        click.echo(f"it was revoked before ({before.reason}), and stays as it was")
    else:
        click.echo(f"revoked: {named.serial_number.hex()} ({reason})")


@ca.command("hold")
@configuration
@names_a_certificate
def hold_certificate(config_file: Path, named: Named) -> None:
    """Put a certificate on hold: it counts as revoked until it is released."""
    _change(config_file, "ca.hold", named, partial(hold, named=named))
    click.echo(f"on hold: {named.serial_number.hex()}")


@ca.command("release")
@configuration
@names_a_certificate
def release_certificate(config_file: Path, named: Named) -> None:
    """Release a certificate from hold."""
    _change(config_file, "ca.release", named, partial(release, named=named))
    click.echo(f"good: {named.serial_number.hex()}")


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%d}"


def _change(
    config_file: Path,
    operation: str,
    named: Named,
    change: Callable[..., Awaitable[Revocation | None]],
) -> Revocation | None:
    """Change how a certificate is, and have the responder tell of it; return how it was."""

    async def changed(service: Certification, trail: Trail) -> Revocation | None:
        before = await change(service, trail=trail)
        try:
            await answer_due(service, named.ca, trail)
        except ServiceError as refusal:
            # It is revoked all the same, and the answer due.
            click.echo(f"the responder tells of it later: {refusal}", err=True)
        return before

    return done_at_appliance(config_file, operation, changed, without_hsm=True)
