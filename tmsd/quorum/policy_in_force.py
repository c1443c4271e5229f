"""Which policy is in force: what the token remembers of it, and whether a file is that policy."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tmsd.quorum import canonical
from tmsd.quorum.canonical import UnixTime
from tmsd.quorum.policy_approval import PolicyIdentity, approvals_of, require_policy_approved
from tmsd.quorum.quorum import MOST_OFFICERS, Name, Quorum, Sha256Hex
from tmsd.quorum.refusal import ApprovalRefused, Rule


class PolicyInForce(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A policy that a quorum approved and that was activated, as the token remembers it.

    `quorum` is the digest of that quorum, `approved_by` are its officers' names, and `activated`
    is in seconds of Unix time.
    """

    format: Literal["tmsd-policy-v1"] = "tmsd-policy-v1"
    version: Annotated[int, Meta(ge=1, lt=2**31)]
    digest: Sha256Hex
    quorum: Sha256Hex
    approved_by: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MOST_OFFICERS)]
    activated: UnixTime

    @property
    def identity(self) -> PolicyIdentity:
        """Which policy it is."""
        return PolicyIdentity(self.version, self.digest)

    @property
    def activated_at(self) -> datetime:
        """When it was activated, in UTC."""
        return datetime.fromtimestamp(self.activated, UTC)


def decode(document: bytes) -> PolicyInForce:
    """Read what the token remembers.

    Raises:
        ApprovalRefused: `policy-malformed`.
    """
    try:
        return canonical.decode(document, PolicyInForce)
    except ValueError as error:
        raise ApprovalRefused(Rule.POLICY_MALFORMED, str(error)) from None


def newest(remembered: Sequence[PolicyInForce]) -> PolicyInForce | None:
    """Return the policy of the highest version; None before the first."""
    return max(remembered, key=lambda policy: policy.version, default=None)


def require_in_force(
    policy: PolicyIdentity,
    approvals: bytes | None,
    quorum: Quorum,
    remembered: Sequence[PolicyInForce],
) -> PolicyInForce:
    """Return what the token remembers of a policy that lies in a file.

    While one policy takes another's place, the token remembers both, and either will do.

    Args:
        policy: as its files are.
        approvals: the file of its approvals; None where there is none.
        quorum: of the token.
        remembered: by the token.

    Raises:
        ApprovalRefused: `policy-older`, `policy-altered`, `policy-unsigned`,
            `policy-not-activated`, or what is wrong with an approval.
    """
    found = _require_remembered(policy, approvals, remembered)
    given = approvals_of(policy, approvals)
    if found.quorum == quorum.digest:
        require_policy_approved(given, quorum, found.activated_at)
    # A quorum that took another's place keeps to what that one put in force.
    return found


def require_successor(
    policy: PolicyIdentity, approvals: bytes | None, in_force: PolicyIdentity
) -> None:
    """Refuse a policy that cannot take the place of another, as far as its files tell.

    Raises:
        ApprovalRefused: `policy-older`, `policy-altered`, `policy-unsigned`,
            `approval-malformed`.
    """
    if policy.version < in_force.version:
        raise ApprovalRefused(
            Rule.POLICY_OLDER, f"it is version {policy.version}; {in_force.version} is in force"
        )
    if policy.version == in_force.version and policy != in_force:
        raise ApprovalRefused(
            Rule.POLICY_ALTERED,
            f"version {policy.version} is in force, and this is not what was approved: "
            f"its SHA-256 is {policy.digest}",
        )
    approvals_of(policy, approvals)


def _require_remembered(
    policy: PolicyIdentity, approvals: bytes | None, remembered: Sequence[PolicyInForce]
) -> PolicyInForce:
    latest = newest(remembered)
    if latest is None:
        raise ApprovalRefused(
            Rule.POLICY_UNSIGNED,
            "the token has a quorum of officers, and they have approved no policy yet",
        )
    for each in remembered:
        if each.identity == policy:
            return each
    require_successor(policy, approvals, latest.identity)
    raise ApprovalRefused(
        Rule.POLICY_NOT_ACTIVATED,
        f"version {policy.version} was not activated; {latest.version} is in force: "
        "tmsctl policy activate does it",
    )
