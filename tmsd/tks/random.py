"""Random bytes of the HSM, for callers that have no better source."""

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.tks.service import Tks
from tmsd.vault.card_messages import MakeRandom


async def make(tks: Tks, caller: Caller, length: int, trail: Trail) -> bytes:
    """Return 1 to 1024 random bytes.

    Raises:
        ServiceError: the HSM cannot be asked.
    """
    trail.details["length"] = length
    answer = await tks.ask(MakeRandom(caller=caller.name, length=length), trail)
    return answer.random
