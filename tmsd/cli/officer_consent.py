"""An officer's consent: asked for after all was shown, and signed by their card or key."""

from pathlib import Path

import click

from tmsd import clock
from tmsd.ceremony.binding import CardOfOfficer
from tmsd.ceremony.officer_signer import signer_of_card, signer_of_file
from tmsd.ceremony.refusal import Refused
from tmsd.cli.typed_secret import typed_secret
from tmsd.quorum.approval import Approval, approve
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request


def consent(asked: Request, quorum: Quorum, by: CardOfOfficer | Path) -> Approval:
    """Ask an officer, to whom a request was shown, and have their key sign it.

    Args:
        asked: the request.
        quorum: who is asked.
        by: the card that signs, or a file with a private key in PEM.

    Raises:
        Refused: they do not approve.
        Ended: they type no PIN, or no password.
        ApprovalRefused: the rule says what is wrong.
        HsmError: the card refuses.
    """
    names = ", ".join(f"{one.name} ({one.person})" for one in quorum.officers)
    click.echo(f"{quorum.approvals} of these have to approve: {names}")
    if not click.confirm("Do you approve?"):
        raise Refused("not approved: nothing was signed")
    if isinstance(by, Path):
        signer = signer_of_file(by, typed_secret)
    else:
        signer = signer_of_card(by, quorum, typed_secret)
    return approve(asked, quorum, signer, clock.now())
