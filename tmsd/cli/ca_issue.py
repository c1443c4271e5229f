"""`tmsctl ca issue` and `cross`: certificates for requests for signing, and for other CAs."""

from dataclasses import replace
from pathlib import Path

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
from tmsd.cli.quorum_files import Answered, answered_request
from tmsd.cli.wanted_certificate import wants_a_certificate, wants_a_cross_certificate
from tmsd.config.callers import APPLIANCE
from tmsd.quorum import canonical
from tmsd.vault.certificate_messages import QuorumApproval


@click.command("issue")
@configuration
@ca_option
@wants_a_certificate
@answered_request(required=False)
@out_option
def issue_certificate(
    config_file: Path, wanted: CertificateWanted, answered: Answered | None, out: Path
) -> None:
    """Issue a certificate for a request for signing.

    Where the token has a quorum, certificates of CAs, OCSP responders and officers take its
    approval: `propose` asks for it, with the same options.
    """
    _issue(config_file, "ca.issue", wanted, answered, out)


@click.command("cross")
@configuration
@ca_option
@wants_a_cross_certificate
@answered_request(required=False)
@out_option
def cross_certify(
    config_file: Path, wanted: CertificateWanted, answered: Answered | None, out: Path
) -> None:
    """Certify another CA, as its certificate has it: who trusts this one trusts that then.

    The profile is a CA's, and its path_length leaves room for the CAs below the other one.
    Where the token has a quorum, it takes its approval: `propose-cross` asks for it.
    """
    _issue(config_file, "ca.cross", wanted, answered, out)


def _issue(
    config_file: Path,
    operation: str,
    wanted: CertificateWanted,
    answered: Answered | None,
    out: Path,
) -> None:
    """Have a certificate issued, write it, and show what it says."""
    wish = wanted if answered is None else _approved(wanted, answered)

    async def issued(service: Certification, trail: Trail) -> x509.Certificate:
        if answered is not None:
            trail.details |= answered.details
        return await issue(service, APPLIANCE, wish, trail)

    require_place(out)
    certificate = done_at_appliance(config_file, operation, issued)
    write_public(out, certificate.public_bytes(Encoding.PEM))
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    click.echo(f"serial number {certificate.serial_number:032x}")
    click.echo(f"subject       {certificate.subject.rfc4514_string()}")
    click.echo(f"valid         {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    click.echo(f"written to    {out}")


def _approved(wanted: CertificateWanted, answered: Answered) -> CertificateWanted:
    """Return what is wanted, as the quorum approved it; one request is one wish, for good."""
    if wanted.days is not None:
        raise click.UsageError("--days is for propose: the request says how long it is valid")
    return replace(
        wanted,
        idempotency_key=answered.request.request_id,
        approval=QuorumApproval(
            canonical.encode(answered.request),
            [canonical.encode(each) for each in answered.approvals],
        ),
    )
