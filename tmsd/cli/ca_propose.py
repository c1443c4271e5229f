"""`tmsctl ca propose` and `propose-cross`: officers are asked for what no caller can have.

`tmsctl officer approve` shows the same words, and `tmsctl ca issue` and `cross` go on.
"""

from pathlib import Path

import click
from cryptography import x509

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.ca.issuing import CertificateWanted, draft
from tmsd.ca.service import Certification
from tmsd.cli.appliance import done_at_appliance
from tmsd.cli.certificate_options import ca_option
from tmsd.cli.configuration import configuration
from tmsd.cli.output_file import require_place
from tmsd.cli.quorum_files import Asking, details_of, request_out_option, requester_option
from tmsd.cli.wanted_certificate import wants_a_certificate, wants_a_cross_certificate
from tmsd.config.callers import APPLIANCE
from tmsd.errors import Code, ServiceError
from tmsd.quorum import quorum as quorums
from tmsd.quorum.certificate_approval import Draft, request_for
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.vault.certificate_messages import DraftedCertificate


@click.command("propose")
@configuration
@ca_option
@wants_a_certificate
@requester_option
@request_out_option
def propose_certificate(
    config_file: Path, wanted: CertificateWanted, requester: str, out: Path
) -> None:
    """Ask the officers for a certificate of a CA, an OCSP responder or an officer.

    Beside the request, in quorum.json, goes who is asked.
    """
    _propose(config_file, wanted, requester, out)


@click.command("propose-cross")
@configuration
@ca_option
@wants_a_cross_certificate
@requester_option
@request_out_option
def propose_cross_certificate(
    config_file: Path, wanted: CertificateWanted, requester: str, out: Path
) -> None:
    """Ask the officers for the certification of another CA.

    Beside the request, in quorum.json, goes who is asked.
    """
    _propose(config_file, wanted, requester, out)


def _propose(config_file: Path, wanted: CertificateWanted, requester: str, out: Path) -> None:
    """Have a certificate drafted, show what it will say, and write the request for it."""

    async def proposed(service: Certification, trail: Trail) -> Asking:
        drafted = await draft(service, APPLIANCE, wanted, trail)
        asking = _asking(wanted, drafted, requester)
        trail.details |= details_of(asking.request)
        return asking

    require_place(out)
    asking = done_at_appliance(config_file, "ca.propose", proposed)
    for line in asking.request.shown():
        click.echo(line)
    asking.write(out)


def _asking(wanted: CertificateWanted, drafted: DraftedCertificate, requester: str) -> Asking:
    """Return the request for a certificate that was drafted, and who is asked.

    Raises:
        ServiceError: `request-invalid`: the requester's name is none, or a name in the
            certificate is longer than officers can be shown.
    """
    certificate = x509.load_der_x509_certificate(drafted.certificate)
    draft_of = Draft(wanted.ca, wanted.profile, certificate)
    quorum = quorums.decode(drafted.quorum)
    asked = request_for(draft_of, quorum, drafted.policy_version, requester, clock.now())
    try:
        return Asking(asked, quorum).readable()
    except ApprovalRefused as refused:
        raise ServiceError(Code.REQUEST_INVALID, str(refused)) from None
