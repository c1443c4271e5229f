"""Host challenges, made by the HSM."""

from typing import Literal

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.tks.service import Tks
from tmsd.vault.card_messages import ChallengeIssued, IssueChallenge


async def issue(tks: Tks, caller: Caller, length: Literal[8, 16], trail: Trail) -> ChallengeIssued:
    """Have the HSM make a challenge of 8 or 16 bytes, and a ticket for it.

    Raises:
        ServiceError: the HSM cannot be asked.
    """
    return await tks.ask(IssueChallenge(caller=caller.name, length=length), trail)
