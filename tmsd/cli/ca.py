"""`tmsctl ca`: certificates at the appliance: issue them, revoke them, write CRLs and chains."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from uuid import uuid4

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.audit.trail import Trail
from tmsd.ca.issuing import CertificateWanted, issue
from tmsd.ca.publishing import answer_due, publish_crl
from tmsd.ca.revoking import Named, hold, release, revoke
from tmsd.ca.service import Certification
from tmsd.cli.appliance import done_at_appliance
from tmsd.cli.configuration import configuration
from tmsd.config.callers import APPLIANCE
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.store.certificates import Reason, Revocation

_REASONS = [reason.value for reason in Reason if reason is not Reason.CERTIFICATE_HOLD]

ca_option = click.option(
    "--ca", "ca_name", metavar="NAME", required=True, help="As in policy.toml."
)
_out = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="PEM goes here."
)


class _SerialNumber(click.ParamType[bytes]):
    """A serial number in hexadecimal, of 16 bytes, with or without colons between them."""

    name = "HEX"

    def convert(
        self, value: str | bytes, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        if isinstance(value, bytes):
            return value
        digits = value.replace(":", "").lower().zfill(32)
        try:
            serial_number = bytes.fromhex(digits)
        except ValueError:
            self.fail(f"{value!r} is not hexadecimal", param, ctx)
        if len(serial_number) != 16:
            self.fail("a serial number has 16 bytes", param, ctx)
        return serial_number


serial_option = click.option(
    "--serial", "serial_number", type=_SerialNumber(), required=True, help="The serial number."
)


@click.group()
def ca() -> None:
    """Issue and revoke certificates, write CRLs, and look for certificates."""


def _wants_a_certificate(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what is wanted; the command gets them as its `wanted`."""

    @click.option("--profile", metavar="NAME", required=True, help="One of the CA's.")
    @click.option(
        "--csr",
        type=click.Path(path_type=Path, dir_okay=False),
        required=True,
        help="A request for signing (PKCS #10), PEM or DER.",
    )
    @click.option(
        "--field",
        "fields",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_parsed_fields,
        help="A field of the profile, in place of the request's; again for further values.",
    )
    @click.option("--days", type=int, help="How long it is valid; by default as long as can be.")
    @wraps(command)
    def packed(
        *,
        ca_name: str,
        profile: str,
        csr: Path,
        fields: dict[str, list[str]],
        days: int | None,
        **others: object,
    ) -> None:
        request = csr.read_bytes()
        wanted = CertificateWanted(ca_name, profile, request, fields, days, uuid4().hex)
        command(wanted=wanted, **others)

    return packed


def _parsed_fields(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.BadParameter(f"{each!r} is not NAME=VALUE")
        fields.setdefault(name, []).append(value)
    return fields


@ca.command("issue")
@configuration
@ca_option
@_wants_a_certificate
@_out
def issue_certificate(config_file: Path, wanted: CertificateWanted, out: Path) -> None:
    """Issue a certificate for a request for signing."""

    async def issued(service: Certification, trail: Trail) -> x509.Certificate:
        return await issue(service, APPLIANCE, wanted, trail)

    certificate = done_at_appliance(config_file, "ca.issue", issued)
    out.write_bytes(certificate.public_bytes(Encoding.PEM))
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    click.echo(f"serial number {certificate.serial_number:032x}")
    click.echo(f"subject       {certificate.subject.rfc4514_string()}")
    click.echo(f"valid         {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    click.echo(f"written to    {out}")


@ca.command()
@configuration
@ca_option
@_out
def chain(config_file: Path, ca_name: str, out: Path) -> None:
    """Write the CA's certificate and its issuers', the CA's first."""
    policy = load_policy(load_daemon_config(config_file).policy.file)
    authority = policy.authorities.by_name.get(ca_name)
    if authority is None:
        names = ", ".join(policy.authorities.by_name) or "none"
        raise click.ClickException(f"there is no CA {ca_name!r}; the policy has {names}")
    out.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in authority.chain))
    click.echo(f"{len(authority.chain)} certificates are in {out}")


@ca.command("crl")
@configuration
@ca_option
@click.option("--delta", is_flag=True, help="Only what has changed since the last complete one.")
@_out
def write_crl(config_file: Path, ca_name: str, delta: bool, out: Path) -> None:
    """Sign a CRL of the present, and publish it."""

    async def signed(service: Certification, trail: Trail) -> bytes:
        return (await publish_crl(service, ca_name, trail, delta=delta)).der

    crl = x509.load_der_x509_crl(done_at_appliance(config_file, "ca.crl", signed))
    out.write_bytes(crl.public_bytes(Encoding.PEM))
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    click.echo(f"CRL {number} with {len(crl)} entries is in {out}")


@ca.command("revoke")
@configuration
@ca_option
@serial_option
@click.option(
    "--reason", type=click.Choice(_REASONS), prompt=True, help="Why; asked for if not given."
)
@click.option("--invalid-since", type=click.DateTime(), help="When its key became unsafe, in UTC.")
@click.confirmation_option(prompt="Revoke for good?")
def revoke_certificate(
    config_file: Path,
    ca_name: str,
    serial_number: bytes,
    reason: str,
    invalid_since: datetime | None,
) -> None:
    """Revoke a certificate for good."""
    since = None
    if invalid_since is not None:
        since = int(invalid_since.replace(tzinfo=UTC).timestamp() * 1000)
    named = Named(ca_name, serial_number)
    change = partial(revoke, named=named, reason=Reason(reason), invalidity_ms=since)
    before = _change(config_file, "ca.revoke", named, change)
    if before is not None and before.reason is not Reason.CERTIFICATE_HOLD:
        click.echo(f"it was revoked before ({before.reason}), and stays as it was")
    else:
        click.echo(f"revoked: {serial_number.hex()} ({reason})")


@ca.command("hold")
@configuration
@ca_option
@serial_option
def hold_certificate(config_file: Path, ca_name: str, serial_number: bytes) -> None:
    """Put a certificate on hold: it counts as revoked until it is released."""
    named = Named(ca_name, serial_number)
    _change(config_file, "ca.hold", named, partial(hold, named=named))
    click.echo(f"on hold: {serial_number.hex()}")


@ca.command("release")
@configuration
@ca_option
@serial_option
def release_certificate(config_file: Path, ca_name: str, serial_number: bytes) -> None:
    """Release a certificate from hold."""
    named = Named(ca_name, serial_number)
    _change(config_file, "ca.release", named, partial(release, named=named))
    click.echo(f"good: {serial_number.hex()}")


def _change(
    config_file: Path,
    operation: str,
    named: Named,
    change: Callable[..., Awaitable[Revocation | None]],
) -> Revocation | None:
    """Change how a certificate is, and have the responder tell of it; return how it was."""

    async def changed(service: Certification, trail: Trail) -> Revocation | None:
        before = await change(service, trail=trail)
        await answer_due(service, named.ca, trail)
        return before

    return done_at_appliance(config_file, operation, changed)
