"""Whether the policy that this worker has read is in force: the token knows, and nobody else.

The front can write what it likes into files, and neither the officers' keys nor the token's
documents: it logs in nowhere.
"""

import logging
from dataclasses import dataclass

from hsm.data_objects import read_documents
from hsm.token import Token
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import POLICY_DOCUMENT, QUORUM_DOCUMENT
from tmsd.quorum import policy_in_force, quorum
from tmsd.quorum.policy_approval import PolicyIdentity
from tmsd.quorum.policy_in_force import PolicyInForce, require_in_force
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.worker.keyring import Keyring

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Governed:
    """Who decides, and the policy that they have put in force, as the token has both."""

    quorum: Quorum
    policy: PolicyInForce


def require_policy(
    token: Token, keyring: Keyring, policy: Policy, *, had_quorum: bool
) -> Governed | None:
    """Return who has put a policy in force, and what the token remembers of it.

    None stands for a token without a quorum, where nobody approves any.

    Args:
        token: logged in.
        keyring: holds a key of the token.
        policy: as it was read.
        had_quorum: whether the token had a quorum before it was lost.

    Raises:
        ApprovalRefused: the policy is not in force; the rule says why.
        HsmError: the token is not there.
    """
    officers = quorum.newest(read_documents(token, QUORUM_DOCUMENT))
    remembered = [policy_in_force.decode(each) for each in read_documents(token, POLICY_DOCUMENT)]
    keyring.probe()  # a token that is gone seems to have no documents
    if officers is None:
        if had_quorum:
            raise ApprovalRefused(
                Rule.POLICY_UNSIGNED, "the token had a quorum before it was lost, and has none now"
            )
        return None
    quorum.require_in_earnest(officers)
    found = require_in_force(
        PolicyIdentity(policy.version, policy.digest), policy.approvals, officers, remembered
    )
    if len(remembered) > 1:
        LOG.warning(
            "the activation of policy version %d did not come to its end: "
            "tmsctl policy activate goes on with it",
            max(each.version for each in remembered),
        )
    return Governed(officers, found)
