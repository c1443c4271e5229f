"""Approvals: an officer's signature under a request, and whether there are enough of them."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from tmsd.quorum import canonical, officer_key
from tmsd.quorum.officer_key import Signer
from tmsd.quorum.quorum import Hex, Name, Officer, Quorum, Sha256Hex
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import Request, require_current


class Approval(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One officer's signature under one request, in hex."""

    format: Literal["tmsd-approval-v1"] = "tmsd-approval-v1"
    request_sha256: Sha256Hex
    officer: Name
    signature: Hex

    @property
    def signature_base64(self) -> str:
        """The signature as records have it, which have no room for more."""
        return b64encode(bytes.fromhex(self.signature)).decode()


def decode(document: bytes) -> Approval:
    """Read an approval.

    Raises:
        ApprovalRefused: `approval-malformed`.
    """
    try:
        return canonical.decode(document, Approval)
    except ValueError as error:
        raise ApprovalRefused(Rule.APPROVAL_MALFORMED, str(error)) from None


def approve(request: Request, quorum: Quorum, signer: Signer, now: datetime) -> Approval:
    """Have an officer's key sign a request, which was shown to its owner before.

    Raises:
        ApprovalRefused: the key is no officer's; its owner is the one who asks; or as
            require_current does.
    """
    require_current(request, quorum, now)
    officer = quorum.officer_with(signer.public_key)
    if officer is None:
        raise ApprovalRefused(
            Rule.APPROVAL_BY_STRANGER, "the key is that of no officer of this quorum"
        )
    _require_other(request, quorum, officer)
    approval = Approval(
        request_sha256=request.digest.hex(),
        officer=officer.name,
        signature=signer.sign(request.to_be_signed()).hex(),
    )
    _require_genuine(request, officer, approval)
    return approval


def given_elsewhere(document: bytes, request: Request, quorum: Quorum) -> Approval:
    """Read an approval that was given at another desk, and make sure that it is one of a request.

    Raises:
        ApprovalRefused: the rule says what is wrong.
    """
    approval = decode(document)
    _officer(request, quorum, approval)
    return approval


def require_approved(
    request: Request, quorum: Quorum, approvals: Sequence[Approval], now: datetime
) -> list[Officer]:
    """Return who approved a request; enough of them, whoever else is among them.

    An approval that is wrong is refused, even where there are enough without it: somebody has
    tampered with it, or mixed up the papers.

    Raises:
        ApprovalRefused: the rule says what is wrong, and with whose approval.
    """
    require_current(request, quorum, now)
    officers = [_officer(request, quorum, approval) for approval in approvals]
    persons = {officer.person for officer in officers}
    if len(persons) < quorum.approvals:
        raise ApprovalRefused(
            Rule.APPROVALS_MISSING,
            f"{len(persons)} of {quorum.approvals} persons have approved",
        )
    return officers


def _officer(request: Request, quorum: Quorum, approval: Approval) -> Officer:
    officer = quorum.officer(approval.officer)
    if officer is None:
        raise ApprovalRefused(
            Rule.APPROVAL_BY_STRANGER, f"{approval.officer} is no officer of this quorum"
        )
    if approval.request_sha256 != request.digest.hex():
        raise ApprovalRefused(
            Rule.APPROVAL_OF_OTHER_REQUEST, f"{officer.name} approved another request"
        )
    _require_other(request, quorum, officer)
    _require_genuine(request, officer, approval)
    return officer


def _require_other(request: Request, quorum: Quorum, officer: Officer) -> None:
    """Refuse who asked: the same person, even by another name and key."""
    asking = quorum.officer(request.requester)
    if asking is not None and asking.person == officer.person:
        raise ApprovalRefused(
            Rule.APPROVAL_BY_REQUESTER, f"{officer.person} asks, and cannot approve as well"
        )


def _require_genuine(request: Request, officer: Officer, approval: Approval) -> None:
    public_key, signature = bytes.fromhex(officer.public_key), bytes.fromhex(approval.signature)
    if not officer_key.has_signed(public_key, request.to_be_signed(), signature):
        raise ApprovalRefused(
            Rule.APPROVAL_SIGNATURE_WRONG, f"the signature is not by {officer.name}'s key"
        )
