"""Vouchers: proof that a TPS of Dogtag had session keys of a card here, and when.

What it asks afterwards (key changeover, an encrypted challenge) carries no session of its own.

Layout: format (1) ‖ key version (1) ‖ issued (8) ‖ expires (8) ‖ version of the card's keys (1) ‖
SCP (1) ‖ KDD (10) ‖ CUID (10) ‖ sequence counter (2) ‖ caller ‖ key set ‖ CMAC (16). Each of the
two names has its length, one byte, before it. Times are milliseconds of Unix time. The CMAC is by
the key of the tickets for challenges, which have other formats.
"""

import struct
from dataclasses import dataclass
from hmac import compare_digest

from hsm.errors import KeyNotFound
from tmsd.config.reserved_keys import CHALLENGE_KEY
from tmsd.errors import Code, ServiceError
from tmsd.worker.keyring import Keyring
from tmsd.worker.tickets import MAX_SKEW_MS

# 1 are tickets for host challenges, 2 and 3 challenges of cards.
FORMAT = 4
LIFETIME_MS = 300_000
NO_COUNTER = bytes(2)
_MAC_LENGTH = 16
_FIXED = struct.Struct(">BBQQBB10s10s2s")


@dataclass(frozen=True, slots=True)
class VouchedCard:
    """Whose session keys they were.

    Attributes:
        caller: who had them.
        key_set: of the card.
        key_version: of the card's keys, 1 to 255.
        scp: the protocol's number.
        kdd: 10 bytes.
        cuid: 10 bytes.
    """

    caller: str
    key_set: str
    key_version: int
    scp: int
    kdd: bytes
    cuid: bytes


@dataclass(frozen=True, slots=True)
class Voucher:
    """What a voucher says; times in milliseconds of Unix time.

    Attributes:
        card: whose session keys they were.
        sequence_counter: of the session, 2 bytes; zeros but in SCP02.
        issued: when they were made.
        expires: when it is worth nothing any more.
    """

    card: VouchedCard
    sequence_counter: bytes
    issued: int
    expires: int


def make(
    keyring: Keyring, version: int, card: VouchedCard, now: int, sequence_counter: bytes
) -> bytes:
    """Return a voucher of `LIFETIME_MS`, MACed under a version of the challenge key."""
    body = encode(version, Voucher(card, sequence_counter, now, now + LIFETIME_MS))
    return body + keyring.service_mac(CHALLENGE_KEY, version, body)


def verify(keyring: Keyring, voucher: bytes, card: VouchedCard, now: int) -> bytes:
    """Return the sequence counter of a voucher that is genuine, for this card, and in time.

    Args:
        keyring: has the challenge key.
        voucher: as the front sent it.
        card: for whom and for which card it has to be.
        now: the present, in milliseconds of Unix time.

    Raises:
        ServiceError: `session-invalid`, `session-foreign`, `session-expired`.
    """
    body, mac = voucher[:-_MAC_LENGTH], voucher[-_MAC_LENGTH:]
    if len(body) < _FIXED.size or body[0] != FORMAT or not _is_genuine(keyring, body, mac):
        raise _refusal(Code.SESSION_INVALID, "the voucher was not made here, or it was altered")
    found = decode(body)
    if found.card != card:
        raise _refusal(
            Code.SESSION_FOREIGN, "the voucher is for another caller, card, key set or key version"
        )
    if not found.issued - MAX_SKEW_MS <= now < found.expires:
        raise _refusal(Code.SESSION_EXPIRED, "the voucher has expired")
    return found.sequence_counter


def missing() -> ServiceError:
    """Return the refusal of what is asked without a voucher."""
    return _refusal(Code.SESSION_INVALID, "there is no voucher")


def encode(version: int, voucher: Voucher) -> bytes:
    """Return what the MAC is of."""
    card = voucher.card
    fixed = _FIXED.pack(
        FORMAT,
        version,
        voucher.issued,
        voucher.expires,
        card.key_version,
        card.scp,
        card.kdd,
        card.cuid,
        voucher.sequence_counter,
    )
    names = (card.caller.encode(), card.key_set.encode())
    return fixed + b"".join(bytes([len(name)]) + name for name in names)


def decode(body: bytes) -> Voucher:
    """Read what was made here, as its MAC says."""
    _, _, issued, expires, key_version, scp, kdd, cuid, counter = _FIXED.unpack_from(body)
    at = _FIXED.size + 1
    caller_end = at + body[_FIXED.size]
    caller, key_set = body[at:caller_end], body[caller_end + 1 :]
    card = VouchedCard(caller.decode(), key_set.decode(), key_version, scp, kdd, cuid)
    return Voucher(card, counter, issued, expires)


def _is_genuine(keyring: Keyring, body: bytes, mac: bytes) -> bool:
    try:
        return compare_digest(keyring.service_mac(CHALLENGE_KEY, body[1], body), mac)
    except KeyNotFound:
        return False


def _refusal(code: Code, reason: str) -> ServiceError:
    return ServiceError(
        code, f"{reason}; the card must have had session keys within the last five minutes"
    )
