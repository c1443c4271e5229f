"""Why a quorum or an approval does not count: rules by names, which officers and records see."""

from enum import StrEnum


class Rule(StrEnum):
    """What was broken; docs/ceremonies.md and docs/policy.md explain each."""

    # The quorum
    QUORUM_MALFORMED = "quorum-malformed"
    QUORUM_OF_ONE = "quorum-of-one"
    QUORUM_OF_REHEARSAL = "quorum-of-rehearsal"
    QUORUM_WITHOUT_SPARE = "quorum-without-spare"
    OFFICER_TWICE = "officer-twice"
    OFFICER_KEY_TWICE = "officer-key-twice"
    OFFICER_KEY_UNFIT = "officer-key-unfit"

    # What is to be approved
    REQUEST_MALFORMED = "request-malformed"
    REQUEST_EXPIRED = "request-expired"
    REQUEST_TOO_LONG_LIVED = "request-too-long-lived"
    REQUEST_OF_OTHER_QUORUM = "request-of-other-quorum"

    # The approvals
    APPROVAL_MALFORMED = "approval-malformed"
    APPROVAL_OF_OTHER_REQUEST = "approval-of-other-request"
    APPROVAL_BY_STRANGER = "approval-by-stranger"
    APPROVAL_BY_REQUESTER = "approval-by-requester"
    APPROVAL_SIGNATURE_WRONG = "approval-signature-wrong"
    APPROVALS_MISSING = "approvals-missing"

    # Policies under a quorum
    POLICY_MALFORMED = "policy-malformed"
    POLICY_UNSIGNED = "policy-unsigned"
    POLICY_OLDER = "policy-older"
    POLICY_ALTERED = "policy-altered"
    POLICY_NOT_ACTIVATED = "policy-not-activated"
    POLICY_VERSION_NOT_NEXT = "policy-version-not-next"
    REQUEST_OF_OTHER_POLICY = "request-of-other-policy"

    # Certificates under a quorum
    APPROVAL_REQUIRED = "approval-required"
    APPROVAL_NOT_NEEDED = "approval-not-needed"
    REQUEST_OF_OTHER_CERTIFICATE = "request-of-other-certificate"

    # Inventories
    INVENTORY_MALFORMED = "inventory-malformed"
    INVENTORY_UNSIGNED = "inventory-unsigned"
    INVENTORY_ALTERED = "inventory-altered"
    INVENTORY_MISSING = "inventory-missing"
    INVENTORY_DRIFT = "inventory-drift"

    # What a quorum alone may do
    CEREMONY_REQUIRED = "ceremony-required"


class ApprovalRefused(Exception):
    """A rule forbids it.

    Attributes:
        rule: which one.
        words: what was wrong, and what would be right.
    """

    def __init__(self, rule: Rule, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule
        self.words = words
