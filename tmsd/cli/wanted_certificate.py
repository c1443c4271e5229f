"""Options that say which certificate is wanted, of a key or of another CA's."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from uuid import uuid4

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.ca.issuing import CertificateWanted
from tmsd.vault.certificate_messages import CrossedCa, SignedRequest
from tmsd.x509.requests import MAX_CSR, UNREADABLE

_profile_option = click.option("--profile", metavar="NAME", required=True, help="One of the CA's.")
_days_option = click.option(
    "--days", type=int, help="How long it is valid; by default as long as can be."
)


def wants_a_certificate(command: Callable[..., None]) -> Callable[..., None]:
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


def wants_a_cross_certificate(command: Callable[..., None]) -> Callable[..., None]:
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
