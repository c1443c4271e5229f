"""What every operation of the Token Key Service works with."""

from dataclasses import dataclass
from typing import TypeVar

from tmsd.audit.receipt import Receipt
from tmsd.audit.trail import Trail
from tmsd.config.policy import Policy
from tmsd.tks.budgets import Budgets
from tmsd.tks.judging import Judging
from tmsd.tks.used_challenges import UsedChallenges
from tmsd.vault import messages
from tmsd.vault.account import Account
from tmsd.vault.messages import Answer, Request
from tmsd.vault.pool import Vault

A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, slots=True)
class Tks:
    """The service: whom it asks, what is allowed, and what is remembered of callers and cards."""

    vault: Vault
    policy: Policy
    used_challenges: UsedChallenges
    budgets: Budgets
    judging: Judging

    async def ask(self, request: Request[A], trail: Trail) -> A:
        """Ask the HSM's workers, and put on record what they tell of it.

        Raises:
            ServiceError: the worker's refusal, or it could not be asked.
        """
        account = Account()
        try:
            return await self.vault.ask(request, account)
        finally:
            trail.receipts += map(recorded_receipt, account.receipts)
            if (card := account.refused_card) is not None:
                trail.key_set = card.key_set
                trail.key_version = card.key_version
                trail.diversification_data = card.diversification_data


def recorded_receipt(told: messages.Receipt) -> Receipt:
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
