"""From what a TPS wants to the answer that it gets: one line for each operation."""

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.dogtag import answers
from tmsd.dogtag.answers import Page
from tmsd.tks import dogtag_cards, dogtag_random, dogtag_sessions
from tmsd.tks.dogtag_memory import DogtagMemory
from tmsd.tks.dogtag_wanted import (
    ChallengeWanted,
    KeySetDataWanted,
    RandomWanted,
    Scp02KeyWanted,
    SessionKeysWanted,
    Wanted,
)
from tmsd.tks.service import Tks


async def answer(
    tks: Tks, memory: DogtagMemory, caller: Caller, wanted: Wanted, trail: Trail
) -> Page:
    """Do what is wanted.

    Raises:
        ServiceError: what the service has against it.
    """
    match wanted:
        case SessionKeysWanted():
            keys = await dogtag_sessions.make_session_keys(tks, memory, caller, wanted, trail)
            return answers.session_keys(wanted.card.scp, keys)
        case Scp02KeyWanted():
            key = await dogtag_sessions.make_scp02_key(tks, memory, caller, wanted, trail)
            return answers.scp02_key(key)
        case KeySetDataWanted():
            data = await dogtag_cards.make_key_set_data(tks, memory, caller, wanted, trail)
            return answers.key_set_data(data)
        case ChallengeWanted():
            made = await dogtag_cards.encrypt_challenge(tks, memory, caller, wanted, trail)
            return answers.challenge(made)
        case RandomWanted():
            return answers.random(await dogtag_random.make(tks, memory, caller, wanted, trail))
