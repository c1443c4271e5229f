"""Labels of the keys that serve the daemon itself; no other key may have one of them."""

from typing import Annotated

from pydantic import AfterValidator

from tmsd.config.values import text

RESERVED_PREFIX = "tmsd-"

# MACs sealed sessions (docs/sealed-sessions.md). The highest version seals, all verify.
CHANNEL_KEY = "tmsd-channel"

# MACs the tickets of issued host challenges.
CHALLENGE_KEY = "tmsd-challenge"

# MACs the receipts of workers, which go into the audit log (docs/audit.md).
RECEIPT_KEY = "tmsd-receipt"

# MACs certificates that are prepared and not signed yet.
CERTIFICATE_KEY = "tmsd-certificate"

# A key pair: signs the minutes of ceremonies (docs/ceremonies.md).
AUDIT_KEY = "tmsd-audit"

# Wraps the keys of a backup (docs/ceremonies.md); custodians hold shares of it.
BACKUP_KEY = "tmsd-backup"

# Documents of the token: the officers, the policy in force, and which inventory was signed last
# (docs/ceremonies.md).
QUORUM_DOCUMENT = "tmsd-quorum"
POLICY_DOCUMENT = "tmsd-policy"
INVENTORY_DOCUMENT = "tmsd-inventory"

SERVICE_KEYS = (CHANNEL_KEY, CHALLENGE_KEY, RECEIPT_KEY, CERTIFICATE_KEY)


def _require_unreserved(label: str) -> str:
    if label.startswith(RESERVED_PREFIX):
        raise ValueError(
            f"must not begin with {RESERVED_PREFIX}, as the labels of the daemon's own keys do"
        )
    return label


KeyLabel = Annotated[str, text(64), AfterValidator(_require_unreserved)]
"""The CKA_LABEL of a master key or a transport key: 1 to 64 bytes, not one of the daemon's.

A default must be declared with `validate_default=True` to be checked as well.
"""
