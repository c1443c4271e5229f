"""`tmsctl ca issue` and `cross`: certificates for requests for signing, and for other CAs."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from uuid import uuid4

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.audit.trail import Trail
from tmsd.ca.issuing import CertificateWanted, issue
from tmsd.ca.service import Certification
from tmsd.cli.appliance import done_at_appliance
from tmsd.cli.certificate_options import ca_option
from tmsd.cli.configuration import configuration
from tmsd.cli.output_file import out_option, require_place, write_public
from tmsd.config.callers import APPLIANCE
from tmsd.vault.certificate_messages import CrossedCa, SignedRequest
from tmsd.x509.requests import MAX_CSR, UNREADABLE

_profile_option = click.option("--profile", metavar="NAME", required=True, help="One of the CA's.")
_days_option = click.option(
    "--days", type=int, help="How long it is valid; by default as long as can be."
)


def _wants_a_certificate(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what is wanted; the command gets them as its `wanted`."""

    @_profile_option
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
    @_days_option
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
        proof = SignedRequest(_read(csr))
        wanted = CertificateWanted(ca_name, profile, proof, fields, days, uuid4().hex)
        command(wanted=wanted, **others)

    return packed


def _wants_a_cross_certificate(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which CA is certified; the command gets them as its `wanted`."""

    @_profile_option
    @click.option(
        "--certificate",
        type=click.Path(path_type=Path, dir_okay=False),
        required=True,
        help="The other CA's, the first of a PEM file: its subject and key are certified.",
    )
    @click.option(
        "--csr",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A request for signing by the same key, unless the certificate is a root's.",
    )
    @_days_option
    @wraps(command)
    def packed(
        *,
        ca_name: str,
        profile: str,
        certificate: Path,
        csr: Path | None,
        days: int | None,
        **others: object,
    ) -> None:
        proof = CrossedCa(_first_certificate(certificate), None if csr is None else _read(csr))
        wanted = CertificateWanted(ca_name, profile, proof, {}, days, uuid4().hex)
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


@click.command("issue")
@configuration
@ca_option
@_wants_a_certificate
@out_option
def issue_certificate(config_file: Path, wanted: CertificateWanted, out: Path) -> None:
    """Issue a certificate for a request for signing."""
    _issue(config_file, "ca.issue", wanted, out)


@click.command("cross")
@configuration
@ca_option
@_wants_a_cross_certificate
@out_option
def cross_certify(config_file: Path, wanted: CertificateWanted, out: Path) -> None:
    """Certify another CA, as its certificate has it: who trusts this one trusts that then.

    The profile is a CA's, and its path_length leaves room for the CAs below the other one.
    """
    _issue(config_file, "ca.cross", wanted, out)


def _first_certificate(file: Path) -> bytes:
    """Return the first certificate of a file, in DER."""
    try:
        found = x509.load_pem_x509_certificate(_read(file))
    except UNREADABLE:
        raise click.ClickException(f"{file}: must begin with a certificate in PEM") from None
    return found.public_bytes(Encoding.DER)


def _read(file: Path) -> bytes:
    """Return what a file holds, or enough of it to be refused as too long."""
    with file.open("rb") as opened:
        return opened.read(MAX_CSR + 1)


def _issue(config_file: Path, operation: str, wanted: CertificateWanted, out: Path) -> None:
    """Have a certificate issued, write it, and show what it says."""

    async def issued(service: Certification, trail: Trail) -> x509.Certificate:
        return await issue(service, APPLIANCE, wanted, trail)

    require_place(out)
    certificate = done_at_appliance(config_file, operation, issued)
    write_public(out, certificate.public_bytes(Encoding.PEM))
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    click.echo(f"serial number {certificate.serial_number:032x}")
    click.echo(f"subject       {certificate.subject.rfc4514_string()}")
    click.echo(f"valid         {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    click.echo(f"written to    {out}")
