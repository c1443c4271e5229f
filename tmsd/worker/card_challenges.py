"""Challenges by which a card proves that it holds a key: kept secret, and told again by a ticket.

The challenge is encrypted under the card's data encryption key and told to nobody else. It is the
CMAC of what its ticket says, so that the worker which verifies the proof can make it again.

Ticket: format (1) ‖ key version (1) ‖ issued (8) ‖ expires (8) ‖ version of the card's keys (1) ‖
caller ‖ key set ‖ diversification data ‖ nonce (16) ‖ CMAC (16). Each of the three names has its
length, one byte, before it. Times are milliseconds of Unix time. Both CMACs are by one key, and
differ in the first byte of what they are of.
"""

import struct
from dataclasses import dataclass
from hmac import compare_digest

from hsm.errors import KeyNotFound
from tmsd.config.reserved_keys import CHALLENGE_KEY
from tmsd.errors import Code, ServiceError
from tmsd.worker.keyring import Keyring
from tmsd.worker.tickets import MAX_SKEW_MS

# Not that of the tickets for host challenges, which the same key MACs.
FORMAT = 2
_CHALLENGE = 3
NONCE_LENGTH = 16
_MAC_LENGTH = 16
_FIXED = struct.Struct(">BBQQB")


@dataclass(frozen=True, slots=True)
class CardChallenge:
    """What a ticket says.

    Attributes:
        caller: who may have a certificate for it.
        key_set: of the card.
        key_version: of the card's keys, 1 to 255.
        diversification_data: which card it is, 1 to 10 bytes.
        nonce: 16 random bytes.
        issued: in milliseconds of Unix time.
        expires: likewise.
    """

    caller: str
    key_set: str
    key_version: int
    diversification_data: bytes
    nonce: bytes
    issued: int
    expires: int


def make(keyring: Keyring, version: int, challenge: CardChallenge) -> tuple[bytes, bytes]:
    """Return a challenge, 16 bytes, and its ticket, by a version of the challenge key."""
    said = _encode(version, challenge)
    ticket = said + keyring.service_mac(CHALLENGE_KEY, version, said)
    return _secret(keyring, said), ticket


def verify(keyring: Keyring, ticket: bytes, caller: str, now: int) -> tuple[bytes, CardChallenge]:
    """Return the challenge of a ticket that is genuine, the caller's and in time; and the card.

    Args:
        keyring: has the challenge key.
        ticket: as the caller sent it.
        caller: who sent it.
        now: the present, in milliseconds of Unix time.

    Raises:
        ServiceError: `challenge-not-issued`.
    """
    said, mac = ticket[:-_MAC_LENGTH], ticket[-_MAC_LENGTH:]
    if len(said) < _FIXED.size or said[0] != FORMAT or not _is_genuine(keyring, said, mac):
        raise _not_issued("the ticket was not made here, or it was altered")
    challenge = _decode(said)
    if challenge.caller != caller:
        raise _not_issued("the ticket was made for another caller")
    if not challenge.issued - MAX_SKEW_MS <= now < challenge.expires:
        raise _not_issued("the ticket has expired, or the clock was set back since it was made")
    return _secret(keyring, said), challenge


def _secret(keyring: Keyring, said: bytes) -> bytes:
    return keyring.service_mac(CHALLENGE_KEY, said[1], bytes([_CHALLENGE]) + said[1:])


def _is_genuine(keyring: Keyring, said: bytes, mac: bytes) -> bool:
    try:
        return compare_digest(keyring.service_mac(CHALLENGE_KEY, said[1], said), mac)
    except KeyNotFound:
        return False


def _encode(version: int, challenge: CardChallenge) -> bytes:
    fixed = _FIXED.pack(FORMAT, version, challenge.issued, challenge.expires, challenge.key_version)
    names = (challenge.caller.encode(), challenge.key_set.encode(), challenge.diversification_data)
    return fixed + b"".join(bytes([len(name)]) + name for name in names) + challenge.nonce


def _decode(said: bytes) -> CardChallenge:
    """Read what was made here, as its MAC says."""
    _, _, issued, expires, key_version = _FIXED.unpack_from(said)
    names, at = [], _FIXED.size
    for _ in range(3):
        end = at + 1 + said[at]
        names.append(said[at + 1 : end])
        at = end
    caller, key_set, data = names
    return CardChallenge(
        caller.decode(), key_set.decode(), key_version, data, said[at:], issued, expires
    )


def _not_issued(reason: str) -> ServiceError:
    return ServiceError(
        Code.CHALLENGE_NOT_ISSUED,
        f"{reason}; have the card make another key pair",
        pointer="/proof/ticket",
    )
