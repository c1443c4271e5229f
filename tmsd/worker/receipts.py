"""Receipts: what this worker did, counted and MACed, so that a front cannot hide any of it."""

from hashlib import sha256

import msgspec

from tmsd.config.reserved_keys import RECEIPT_KEY
from tmsd.vault.messages import AnyAnswer, AnyRequest, Receipt
from tmsd.worker.context import Context

_encoder = msgspec.msgpack.Encoder()


class Receipts:
    """Counts the answers of this process.

    Args:
        worker: 8 random bytes that tell this process from every other.
    """

    def __init__(self, worker: bytes) -> None:
        self._worker = worker
        self._last = 0

    def make(
        self, context: Context, generation: int, request: AnyRequest, answer: AnyAnswer
    ) -> Receipt:
        """Return the receipt for the next answer.

        Raises:
            HsmError: the token made no MAC; the number is not used up.
        """
        operation = request.__struct_config__.tag
        digest = sha256(_encoder.encode(request) + _encoder.encode(answer)).digest()
        fields = mac_input(self._worker, generation, self._last + 1, str(operation), digest)
        mac = context.keyring.service_mac(RECEIPT_KEY, context.receipt_key_version, fields)
        self._last += 1
        return Receipt(
            worker=self._worker,
            generation=generation,
            sequence=self._last,
            operation=str(operation),
            digest=digest,
            mac=mac,
        )


def mac_input(
    worker: bytes, generation: int, sequence: int, operation: str, digest: bytes
) -> bytes:
    """Return what a receipt's MAC is over; docs/audit.md has the layout."""
    return (
        b"tmsd-receipt-v1"
        + worker
        + generation.to_bytes(8)
        + sequence.to_bytes(8)
        + digest
        + operation.encode()
    )
