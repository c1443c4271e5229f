"""Receipts: what this worker did, counted and MACed, so that a front cannot hide any of it."""

from hashlib import sha256

import msgspec
from msgspec import structs

from tmsd.config.reserved_keys import RECEIPT_KEY
from tmsd.vault.messages import AnyAnswer, AnyRequest
from tmsd.vault.worker_messages import Receipt
from tmsd.worker.context import Context

_MAC_LENGTH = 16
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
        encoded = _encoder.encode(request) + _encoder.encode(answer)
        receipt = Receipt(
            worker=self._worker,
            generation=generation,
            sequence=self._last + 1,
            operation=str(request.__struct_config__.tag),
            digest=sha256(encoded).digest(),
            key_version=context.receipt_key_version,
            mac=bytes(_MAC_LENGTH),
        )
        mac = context.keyring.service_mac(RECEIPT_KEY, receipt.key_version, receipt.mac_input())
        self._last += 1
        return structs.replace(receipt, mac=mac)
