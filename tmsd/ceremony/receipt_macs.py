"""Checking the MACs of workers' receipts in the token that made them (docs/audit.md)."""

from hmac import compare_digest

from hsm.cmac import service_cmac
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.audit.receipt import Receipt
from tmsd.config.reserved_keys import RECEIPT_KEY
from tmsd.vault import worker_messages


class ReceiptMacs:
    """Checks receipts by every version of the receipt key that the token has.

    Attributes:
        versions: the versions by which receipts were checked so far.
    """

    def __init__(self, token: Token) -> None:
        self._keys = {
            reference.version: token.find_key(reference)
            for reference, _ in token.list_keys(RECEIPT_KEY)
        }
        self.versions: set[int] = set()

    def flaw(self, receipt: Receipt) -> str | None:
        """Return what is wrong with a receipt's MAC; None where the token makes the same.

        Raises:
            HsmError: the token cannot be asked.
        """
        key = self._keys.get(receipt.key_version)
        if key is None:
            missing = KeyReference(RECEIPT_KEY, receipt.key_version)
            return f"cannot be checked: {missing} is not in the token"
        self.versions.add(receipt.key_version)
        made = service_cmac(key, _told(receipt).mac_input())
        if compare_digest(made, bytes.fromhex(receipt.mac)):
            return None
        return "is not the token's: the receipt was made up, or altered"


def _told(receipt: Receipt) -> worker_messages.Receipt:
    """Return a recorded receipt as its worker told it."""
    return worker_messages.Receipt(
        worker=bytes.fromhex(receipt.worker),
        generation=receipt.generation,
        sequence=receipt.sequence,
        operation=receipt.operation,
        digest=bytes.fromhex(receipt.digest),
        key_version=receipt.key_version,
        mac=bytes.fromhex(receipt.mac),
    )
