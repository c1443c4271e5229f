"""What every operation of the Token Key Service works with."""

from dataclasses import dataclass
from typing import TypeVar

from tmsd import asking
from tmsd.audit.trail import Trail
from tmsd.config.policy import Policy
from tmsd.tks.budgets import Budgets
from tmsd.tks.cards_seen import CardsSeen
from tmsd.tks.judging import Judging
from tmsd.tks.used_challenges import UsedChallenges
from tmsd.vault.message import Answer, Request
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
    cards_seen: CardsSeen

    async def ask(self, request: Request[A], trail: Trail) -> A:
        """Ask the HSM's workers, and put on record what they tell of it.

        Raises:
            ServiceError: the worker's refusal, or it could not be asked.
        """
        return await asking.ask(self.vault, request, trail)
