"""Random bytes for TPSs of Dogtag; those of a challenge's length count as one."""

from typing import Literal

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.tks import challenges, random
from tmsd.tks.dogtag_memory import DogtagMemory
from tmsd.tks.dogtag_wanted import RandomWanted
from tmsd.tks.service import Tks


async def make(
    tks: Tks, memory: DogtagMemory, caller: Caller, wanted: RandomWanted, trail: Trail
) -> bytes:
    """Return random bytes of the HSM; none where none are wanted.

    Raises:
        ServiceError: the HSM or the store cannot be asked.
    """
    trail.details["length"] = wanted.length
    match wanted.length:
        case 0:
            return b""
        case (8 | 16) as length:
            return await _challenge(tks, memory, caller, length, trail)
        case length:
            return await random.make(tks, caller, length, trail)


async def _challenge(
    tks: Tks, memory: DogtagMemory, caller: Caller, length: Literal[8, 16], trail: Trail
) -> bytes:
    issued = await challenges.issue(tks, caller, length, trail)
    await memory.challenges.keep(caller.name, issued.host_challenge, issued.ticket)
    return issued.host_challenge
