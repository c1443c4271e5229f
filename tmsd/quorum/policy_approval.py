"""What officers approve of a policy: its version and digest, in place of another; and their file.

`policy.approvals.json` lies beside policy.toml: the request and its approvals in canonical form.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import Struct

from tmsd.quorum import canonical
from tmsd.quorum.approval import Approval, require_approved
from tmsd.quorum.quorum import Officer, Quorum
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import LONGEST_LIFE_SECONDS, Request

ACTION = "policy.activate"
NO_POLICY = "none"

_VERSION, _DIGEST, _BEFORE = "version", "policy_sha256", "in_place_of_sha256"


@dataclass(frozen=True, slots=True)
class PolicyIdentity:
    """Which policy: nothing that it says, or that its files say, can change without this.

    Attributes:
        version: rises by one with each change.
        digest: of policy.toml and the files that it names, 64 lower-case hex digits.
    """

    version: int
    digest: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"policy version {self.version}, SHA-256 {self.digest}"


class PolicyApprovals(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request for a policy, and the approvals of it."""

    format: Literal["tmsd-policy-approvals-v1"] = "tmsd-policy-approvals-v1"
    request: Request
    approvals: tuple[Approval, ...]


def decode(document: bytes) -> PolicyApprovals:
    """Read a file of approvals.

    Raises:
        ApprovalRefused: `approval-malformed`.
    """
    try:
        return canonical.decode(document, PolicyApprovals)
    except ValueError as error:
        raise ApprovalRefused(Rule.APPROVAL_MALFORMED, str(error)) from None


def request_for(
    wanted: PolicyIdentity,
    before: PolicyIdentity | None,
    quorum: Quorum,
    requester: str,
    now: datetime,
) -> Request:
    """Return the request for a policy, which lasts for as long as one may.

    Args:
        wanted: the new policy.
        before: the policy in force; None before the first that the quorum approves.
        quorum: who is asked.
        requester: who asks: an operator, or an officer, who cannot approve it then.
        now: the time.

    Raises:
        ApprovalRefused: `policy-version-not-next`.
    """
    if before is not None and wanted.version != before.version + 1:
        raise ApprovalRefused(
            Rule.POLICY_VERSION_NOT_NEXT,
            f"version {before.version} is in force, and the new policy says {wanted.version}: "
            f"it must say version = {before.version + 1}",
        )
    return Request(
        deployment=quorum.deployment,
        action=ACTION,
        parameters={
            _VERSION: wanted.version,
            _DIGEST: wanted.digest,
            _BEFORE: before.digest if before else NO_POLICY,
        },
        quorum=quorum.digest,
        policy_version=before.version if before else 0,
        request_id=secrets.token_hex(16),
        requester=requester,
        expires=int(now.timestamp()) + LONGEST_LIFE_SECONDS,
    )


def is_for(request: Request, policy: PolicyIdentity) -> bool:
    """Say whether a request asks for this policy, in place of whichever."""
    parameters = dict(request.parameters)
    before = parameters.pop(_BEFORE, None)
    return (
        request.action == ACTION
        and isinstance(before, str)
        and parameters == {_VERSION: policy.version, _DIGEST: policy.digest}
    )


def require_request_for(request: Request, wanted: PolicyIdentity) -> None:
    """Refuse a request that asks for another policy.

    Raises:
        ApprovalRefused: `request-of-other-policy`.
    """
    if not is_for(request, wanted):
        raise ApprovalRefused(
            Rule.REQUEST_OF_OTHER_POLICY, f"it does not ask for {wanted}, which is at hand"
        )


def require_in_place_of(request: Request, before: PolicyIdentity | None) -> None:
    """Refuse a request for a policy in the place of another than this.

    Args:
        request: for a policy.
        before: the policy in force; None where there is none.

    Raises:
        ApprovalRefused: `request-of-other-policy`.
    """
    asked_in_place_of = (request.policy_version, request.parameters[_BEFORE])
    if asked_in_place_of != ((before.version, before.digest) if before else (0, NO_POLICY)):
        raise ApprovalRefused(
            Rule.REQUEST_OF_OTHER_POLICY,
            f"it asks for it in the place of another than {before or 'none'}: ask anew",
        )


def approvals_of(policy: PolicyIdentity, document: bytes | None) -> PolicyApprovals:
    """Return what a file of approvals has of a policy; no signature is looked at.

    Args:
        policy: beside which the file lies.
        document: the file; None where there is none.

    Raises:
        ApprovalRefused: `policy-unsigned`: it has nothing of this policy; `approval-malformed`.
    """
    if document is None or not is_for((given := decode(document)).request, policy):
        raise ApprovalRefused(
            Rule.POLICY_UNSIGNED, f"no approvals of this version {policy.version} lie beside it"
        )
    return given


def require_policy_approved(
    given: PolicyApprovals, quorum: Quorum, at: datetime
) -> Sequence[Officer]:
    """Return who approved a policy.

    Args:
        given: the request and its approvals.
        quorum: who was asked.
        at: when the policy is, or was, activated: what was approved in time stays approved.

    Raises:
        ApprovalRefused: the rule says what is wrong.
    """
    return require_approved(given.request, quorum, given.approvals, at)
