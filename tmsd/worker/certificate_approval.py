"""Whether the quorum has approved a certificate: what no caller can have takes its approval.

Nothing is remembered of a request that was executed, as a worker cannot write: it has the same
certificate signed as the first time, until it expires.
"""

from datetime import datetime, timedelta

from tmsd.clock import now
from tmsd.quorum import approval, request
from tmsd.quorum.approval import require_approved
from tmsd.quorum.certificate_approval import terms_of
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import LONGEST_LIFE_SECONDS, Request
from tmsd.vault.certificate_messages import QuorumApproval
from tmsd.worker.context import Context
from tmsd.worker.policy_in_force import Governed
from tmsd.x509.building import Terms
from tmsd.x509.profile import Profile

_LONGEST_LIFE = timedelta(seconds=LONGEST_LIFE_SECONDS)


def asked_quorum(context: Context, profile: Profile) -> Governed:
    """Return whose approval certificates of a profile take.

    Raises:
        ApprovalRefused: `approval-not-needed`.
    """
    if context.governed is None:
        raise ApprovalRefused(
            Rule.APPROVAL_NOT_NEEDED, "the token has no quorum of officers, who would approve it"
        )
    if profile.holder.from_api:
        raise ApprovalRefused(
            Rule.APPROVAL_NOT_NEEDED, f"certificates of profile {profile.name} take none"
        )
    return context.governed


def approved(context: Context, profile: Profile, given: QuorumApproval | None) -> Request | None:
    """Return the request that the quorum has approved; None where it takes no approval.

    What the request asks for is still to be compared with what is at hand.

    Raises:
        ApprovalRefused: `approval-required`, `approval-not-needed`, `request-of-other-policy`, or
            what is wrong with the request or an approval.
    """
    if given is None:
        _require_ungoverned(context, profile)
        return None
    governed = asked_quorum(context, profile)
    asked = request.decode(given.request)
    approvals = [approval.decode(each) for each in given.approvals]
    require_approved(asked, governed.quorum, approvals, now())
    if asked.policy_version != governed.policy.version:
        raise ApprovalRefused(
            Rule.REQUEST_OF_OTHER_POLICY,
            f"it was made under policy version {asked.policy_version}, and "
            f"{governed.policy.version} is in force: ask anew",
        )
    return asked


def approved_terms(asked: Request, at_most: tuple[datetime, datetime]) -> Terms:
    """Return serial number and validity of a certificate that was approved.

    Args:
        asked: the request, which the quorum has approved.
        at_most: the first and the last second that such a certificate of the present would have.

    Raises:
        ApprovalRefused: `request-of-other-certificate`: no proposal of the last days has those.
    """
    terms, (begins, ends) = terms_of(asked), at_most
    if not (begins - _LONGEST_LIFE <= terms.not_before <= begins and terms.not_after <= ends):
        raise ApprovalRefused(
            Rule.REQUEST_OF_OTHER_CERTIFICATE,
            "it asks for a validity that CA and profile do not give",
        )
    return terms


def _require_ungoverned(context: Context, profile: Profile) -> None:
    if context.governed is not None and not profile.holder.from_api:
        raise ApprovalRefused(
            Rule.APPROVAL_REQUIRED,
            f"{context.governed.quorum.approvals} officers have to approve certificates of profile "
            f"{profile.name}: tmsctl ca propose asks them",
        )
