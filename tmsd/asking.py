"""Asking the HSM's workers for a service, with what they tell of it put on record."""

from typing import TypeVar

from tmsd.audit.receipt import Receipt
from tmsd.audit.trail import Trail
from tmsd.vault import worker_messages
from tmsd.vault.account import Account
from tmsd.vault.message import Answer, Request
from tmsd.vault.pool import Vault

A = TypeVar("A", bound=Answer)


async def ask(vault: Vault, request: Request[A], trail: Trail) -> A:
    """Ask, and return the answer that belongs to the request.

    Raises:
        ServiceError: the worker's refusal, or it could not be asked.
    """
    account = Account()
    try:
        return await vault.ask(request, account)
    finally:
        trail.receipts += map(recorded_receipt, account.receipts)
        if (card := account.refused_card) is not None:
            trail.key_set = card.key_set
            trail.key_version = card.key_version
            trail.diversification_data = card.diversification_data


def recorded_receipt(told: worker_messages.Receipt) -> Receipt:
    """Return a worker's receipt as the record has it."""
    return Receipt(
        worker=told.worker.hex(),
        generation=told.generation,
        sequence=told.sequence,
        operation=told.operation,
        digest=told.digest.hex(),
        key_version=told.key_version,
        mac=told.mac.hex(),
    )
