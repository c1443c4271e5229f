"""`tmsctl ca make-root` and `request`: what the key pair of a new CA or a responder signs itself.

The keys come from `tmsctl key generate --ca NAME`. What is signed is on the record of `tmsctl`.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.audit.trail import Trail
from tmsd.ca.service import Details
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.steps.make_root import LONGEST_DAYS, RootWanted, make_root
from tmsd.ceremony.steps.request_certificate import request_certificate
from tmsd.ceremony.ungoverned_token import ungoverned_token
from tmsd.cli.appliance import on_record
from tmsd.cli.configuration import configuration, in_token_for_nonces, token_table
from tmsd.cli.output_file import out_option, require_place, write_public
from tmsd.clock import now
from tmsd.config.daemon import load_daemon_config
from tmsd.x509.public_keys import spki_sha256


class _Subject(click.ParamType[x509.Name]):
    """A name as RFC 4514 writes it, as `CN=Example Root CA,O=Example,C=DE`."""

    name = "NAME"

    def convert(
        self, value: str | x509.Name, param: click.Parameter | None, ctx: click.Context | None
    ) -> x509.Name:
        if isinstance(value, x509.Name):
            return value
        try:
            subject = x509.Name.from_rfc4514_string(value)
        except ValueError:
            self.fail(f"{value!r} is no name as CN=Example CA,O=Example,C=DE", param, ctx)
        if not list(subject):
            self.fail("a CA has a name", param, ctx)
        return subject


_subject = click.option(
    "--subject", type=_Subject(), required=True, help="As CN=Example CA,O=Example,C=DE (RFC 4514)."
)


def _names_a_key_pair(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a key pair; the command gets them as its `reference`."""

    @click.option("--label", metavar="TEXT", required=True, help="Its label in the HSM.")
    @click.option(
        "--version",
        metavar="N",
        type=click.IntRange(1, 255),
        default=1,
        show_default=True,
        help="The key's version.",
    )
    @wraps(command)
    def packed(*, label: str, version: int, **others: object) -> None:
        command(reference=KeyReference(label, version), **others)

    return packed


def _wants_a_root(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what a root's certificate says; they become its `wanted`."""

    @_subject
    @click.option(
        "--days",
        type=click.IntRange(1, LONGEST_DAYS),
        default=3652,
        show_default=True,
        help="How long it is valid.",
    )
    @click.option(
        "--path-length",
        type=click.IntRange(0, 8),
        help="How many CAs may follow it in a chain; by default any number.",
    )
    @click.option("--pss", is_flag=True, help="An RSA key signs with PSS, not with PKCS #1 v1.5.")
    @wraps(command)
    def packed(
        *, subject: x509.Name, days: int, path_length: int | None, pss: bool, **others: object
    ) -> None:
        command(wanted=RootWanted(subject, days, path_length, pss), **others)

    return packed


@click.command("make-root")
@configuration
@_names_a_key_pair
@_wants_a_root
@out_option
def make_root_certificate(
    config_file: Path, reference: KeyReference, wanted: RootWanted, out: Path
) -> None:
    """Make the certificate of a root CA, which its own key signs."""
    config = load_daemon_config(config_file)
    require_place(out)
    with ungoverned_token(config.hsm) as token:
        root = root_on_record(token, reference, wanted, config.audit.file)
    write_public(out, root.public_bytes(Encoding.PEM))
    begin, end = root.not_valid_before_utc, root.not_valid_after_utc
    click.echo(f"serial number {root.serial_number:032x}")
    click.echo(f"subject       {root.subject.rfc4514_string()}")
    click.echo(f"valid         {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    click.echo(f"written to    {out}")


@click.command("request")
@configuration
@in_token_for_nonces
@_names_a_key_pair
@_subject
@out_option
def request_for_signing(
    config_file: Path, reference: KeyReference, subject: x509.Name, out: Path, *, nonces: bool
) -> None:
    """Make a request for signing (PKCS #10), as another CA takes it.

    Its key pair is a CA's or a responder's; `tmsctl ca issue` takes the request as well.
    """
    config = load_daemon_config(config_file)
    require_place(out)
    with configured_token(token_table(config, nonces=nonces)) as token:
        request = request_on_record(token, reference, subject, config.audit.file)
    write_public(out, request.public_bytes(Encoding.PEM))
    click.echo(f"a request of {request.subject.rfc4514_string()} is in {out}")


def root_on_record(
    token: Token, reference: KeyReference, wanted: RootWanted, audit_file: Path
) -> x509.Certificate:
    """Make a root's certificate, and put it on the record of `tmsctl`, beside that of the daemon.

    Raises:
        HsmError: there is no such key pair, or the token refuses.
        ServiceError: it would break a rule of certificates.
        ServiceError, AuditFileError: it could not be put on record; then there is none.
    """

    def made(trail: Trail) -> x509.Certificate:
        root = make_root(token, reference, wanted, now())
        trail.details |= _key_details(reference, root.public_key())
        trail.details["serial_number"] = f"{root.serial_number:032x}"
        return root

    find_key_pair(token, reference)  # what is not there was not refused, and is on no record
    return on_record(audit_file, "ca.make-root", made)


def request_on_record(
    token: Token, reference: KeyReference, subject: x509.Name, audit_file: Path
) -> x509.CertificateSigningRequest:
    """Make a request for signing, and put it on record as `root_on_record` does.

    Raises:
        HsmError, ServiceError, AuditFileError: as there.
    """

    def made(trail: Trail) -> x509.CertificateSigningRequest:
        request = request_certificate(token, reference, subject)
        trail.details |= _key_details(reference, request.public_key())
        return request

    find_key_pair(token, reference)
    return on_record(audit_file, "ca.request", made)


def _key_details(reference: KeyReference, key: CertificatePublicKeyTypes) -> Details:
    return {
        "key": f"{reference.label}:{reference.version}",
        "public_key_sha256": spki_sha256(key),
    }
