"""Tickets for host challenges: proof that a challenge was made here, for whom, and when.

Layout: format (1) ‖ key version (1) ‖ issued (8) ‖ expires (8) ‖ caller length (1) ‖
caller ‖ host challenge (8 or 16) ‖ CMAC (16). Times are milliseconds of Unix time.
"""

from dataclasses import dataclass
from hmac import compare_digest

from hsm.errors import KeyNotFound
from tmsd.config.reserved_keys import CHALLENGE_KEY
from tmsd.errors import Code, ServiceError
from tmsd.worker.keyring import Keyring

FORMAT = 1
# Workers of one machine share a clock; those of two may differ by so much.
MAX_SKEW_MS = 1_000
_MAC_LENGTH = 16
_FIXED_LENGTH = 19
_CHALLENGE_LENGTHS = (8, 16)


@dataclass(frozen=True, slots=True)
class IssuedChallenge:
    """What a ticket says; times in milliseconds of Unix time."""

    caller: str
    host_challenge: bytes
    issued: int
    expires: int


def make(keyring: Keyring, version: int, challenge: IssuedChallenge) -> bytes:
    """Return the ticket for a challenge, MACed under a version of the challenge key."""
    caller = challenge.caller.encode()
    body = (
        bytes([FORMAT, version])
        + challenge.issued.to_bytes(8, "big")
        + challenge.expires.to_bytes(8, "big")
        + bytes([len(caller)])
        + caller
        + challenge.host_challenge
    )
    return body + keyring.service_mac(CHALLENGE_KEY, version, body)


def verify(keyring: Keyring, ticket: bytes, caller: str, now: int) -> bytes:
    """Return the host challenge of a ticket that is genuine, the caller's, and in time.

    Args:
        keyring: has the challenge key.
        ticket: as the caller sent it.
        caller: who sent it.
        now: the present, in milliseconds of Unix time.

    Raises:
        ServiceError: `challenge-not-issued`.
    """
    challenge = _genuine(keyring, ticket)
    if challenge is None:
        raise _not_issued("the ticket was not made here, or it was altered")
    if challenge.caller != caller:
        raise _not_issued("the ticket was made for another caller")
    if not challenge.issued - MAX_SKEW_MS <= now < challenge.expires:
        raise _not_issued("the ticket has expired, or the clock was set back since it was made")
    return challenge.host_challenge


def _genuine(keyring: Keyring, ticket: bytes) -> IssuedChallenge | None:
    body, mac = ticket[:-_MAC_LENGTH], ticket[-_MAC_LENGTH:]
    if len(body) < _FIXED_LENGTH or body[0] != FORMAT:
        return None
    try:
        expected = keyring.service_mac(CHALLENGE_KEY, body[1], body)
    except KeyNotFound:
        return None
    if not compare_digest(expected, mac):
        return None
    caller_end = _FIXED_LENGTH + body[18]
    host_challenge = body[caller_end:]
    if len(host_challenge) not in _CHALLENGE_LENGTHS:
        return None
    return IssuedChallenge(
        caller=body[_FIXED_LENGTH:caller_end].decode(errors="replace"),  # no caller is called so
        host_challenge=host_challenge,
        issued=int.from_bytes(body[2:10], "big"),
        expires=int.from_bytes(body[10:18], "big"),
    )


def _not_issued(reason: str) -> ServiceError:
    return ServiceError(
        Code.CHALLENGE_NOT_ISSUED, f"{reason}; ask for a new challenge", pointer="/card/challenge"
    )
