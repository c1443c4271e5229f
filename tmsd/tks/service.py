"""What every operation of the Token Key Service works with."""

from dataclasses import dataclass

from tmsd.config.policy import Policy
from tmsd.tks.challenges import UsedChallenges
from tmsd.vault.pool import Vault


@dataclass(frozen=True, slots=True)
class Tks:
    """The service: whom it asks, what is allowed, and which challenges were used."""

    vault: Vault
    policy: Policy
    used_challenges: UsedChallenges
