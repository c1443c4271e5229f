"""Policies of tests, by name alone, and what a quorum approves of them."""

from collections.abc import Sequence
from datetime import datetime

from tests.quorum.officers import NOW, quorum, signer
from tmsd.quorum.approval import approve
from tmsd.quorum.policy_approval import PolicyApprovals, PolicyIdentity, request_for
from tmsd.quorum.policy_in_force import PolicyInForce
from tmsd.quorum.quorum import Quorum

QUORUM = quorum()
SIX, SEVEN, EIGHT = (PolicyIdentity(version, f"{version}" * 64) for version in (6, 7, 8))


def approvals(
    policy: PolicyIdentity,
    before: PolicyIdentity | None,
    by: Quorum = QUORUM,
    officers: Sequence[str] = ("anna", "berta"),
    now: datetime = NOW,
) -> PolicyApprovals:
    """Return a request for a policy, and approvals of it."""
    request = request_for(policy, before, by, "olaf", now)
    given = tuple(approve(request, by, signer(name), now) for name in officers)
    return PolicyApprovals(request=request, approvals=given)


def remembered(
    policy: PolicyIdentity, by: Quorum = QUORUM, activated: datetime = NOW
) -> PolicyInForce:
    """Return what a token remembers of a policy that was activated."""
    return PolicyInForce(
        version=policy.version,
        digest=policy.digest,
        quorum=by.digest,
        approved_by=("anna", "berta"),
        activated=int(activated.timestamp()),
    )
