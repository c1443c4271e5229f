"""Activating a policy that a quorum approved: its files in place, and the token told of it.

The token remembers the new policy beside the old one before the files change, and forgets the old
one afterwards. So whatever is interrupted where: the policy in its place is one that the token
knows, and workers take. The same command goes on with it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hsm.data_objects import add_document, drop_others, read_documents
from hsm.token import Token
from tmsd.ceremony.policy_folder import keep_version, lead, ready_to_lead
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps.enrol_quorum import pinned_quorum
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import POLICY_DOCUMENT
from tmsd.quorum import canonical, policy_in_force
from tmsd.quorum.policy_approval import (
    PolicyApprovals,
    PolicyIdentity,
    require_in_place_of,
    require_policy_approved,
    require_request_for,
)
from tmsd.quorum.policy_in_force import PolicyInForce, require_in_force
from tmsd.quorum.quorum import Quorum, require_in_earnest


@dataclass(frozen=True, slots=True)
class Governance:
    """Who decides on policies, and what they have decided, as the token knows it.

    Attributes:
        quorum: the officers.
        remembered: the policies that may be in force: one; two while an activation is not at its
            end; none before the first.
    """

    quorum: Quorum
    remembered: tuple[PolicyInForce, ...]

    @property
    def latest(self) -> PolicyInForce | None:
        """The policy that was activated last; None before the first."""
        return policy_in_force.newest(self.remembered)

    @property
    def in_force(self) -> PolicyIdentity | None:
        """The policy in whose place the next one comes; None before the first.

        Raises:
            Refused: it is not clear before an activation has come to its end.
        """
        latest = self.latest
        if len(self.remembered) > 1 and latest is not None:
            raise Refused(
                f"the activation of policy version {latest.version} did not come to its end: "
                "tmsctl policy activate goes on with it, given the same files"
            )
        return latest.identity if latest else None


def governance(token: Token) -> Governance:
    """Return who decides on policies.

    Raises:
        Refused: nobody does.
        ApprovalRefused: what the token keeps is no quorum, or that of a rehearsal, or no policy.
        HsmError: the token refuses.
    """
    quorum = pinned_quorum(token)
    if quorum is None:
        raise Refused(
            "the token has no quorum of officers, and policies need no approval: "
            "tmsctl ceremony run enrols one (enrol-quorum)"
        )
    require_in_earnest(quorum)
    documents = read_documents(token, POLICY_DOCUMENT)
    return Governance(quorum, tuple(map(policy_in_force.decode, documents)))


def identity(policy: Policy) -> PolicyIdentity:
    """Return which policy this is."""
    return PolicyIdentity(policy.version, policy.digest)


def require_activation(
    governed: Governance, policy: Policy, given: PolicyApprovals, now: datetime
) -> PolicyInForce:
    """Return what the token is to remember of a policy, if the quorum has approved it.

    Args:
        governed: as the token is.
        policy: the new one.
        given: its approvals.
        now: the time; of an activation that goes on, that of its beginning counts.

    Raises:
        Refused: another activation has to come to its end before.
        ApprovalRefused: the rule says what is wrong.
    """
    wanted, latest = identity(policy), governed.latest
    if latest is not None and latest.identity == wanted:
        return require_in_force(wanted, canonical.encode(given), governed.quorum, [latest])
    require_request_for(given.request, wanted)
    require_in_place_of(given.request, governed.in_force)
    officers = require_policy_approved(given, governed.quorum, now)
    return PolicyInForce(
        version=wanted.version,
        digest=wanted.digest,
        quorum=governed.quorum.digest,
        approved_by=tuple(dict.fromkeys(officer.name for officer in officers)),
        activated=int(now.timestamp()),
    )


def activate(
    token: Token, in_force: PolicyInForce, policy: Policy, given: PolicyApprovals, place: Path
) -> None:
    """Put a policy in force, or go on with that.

    Args:
        token: opened writable.
        in_force: what require_activation returned.
        policy: the new one.
        given: its approvals.
        place: where policy.toml is looked for.

    Raises:
        Refused, OSError, HsmError: the old one is in force, or the new one; once more, and it is
            the new one.
    """
    kept = keep_version(policy, canonical.encode(given), place)
    document = canonical.encode(in_force)
    with ready_to_lead(place, kept) as link:
        if document not in read_documents(token, POLICY_DOCUMENT):
            add_document(token, POLICY_DOCUMENT, document)
        lead(place, link)
    drop_others(token, POLICY_DOCUMENT, document)
