"""Random bytes of the HSM, for callers that have no better source."""

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.vault.messages import MakeRandom
from tmsd.vault.pool import Vault


async def make(vault: Vault, caller: Caller, length: int, trail: Trail) -> bytes:
    """Return 1 to 1024 random bytes.

    Raises:
        ServiceError: the HSM cannot be asked.
    """
    trail.details["length"] = length
    answer = await vault.ask(MakeRandom(caller=caller.name, length=length))
    return answer.random
