"""Sealed sessions: a channel's state without its keys, MACed so that nobody alters it.

docs/sealed-sessions.md has the layout. It is canonical: one session has one encoding.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hmac import compare_digest

from hsm.errors import KeyNotFound
from tmsd.config.reserved_keys import CHANNEL_KEY
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.vault.card_messages import MAX_SESSION
from tmsd.worker.keyring import Keyring

FORMAT = 2
_MAC_LENGTH = 16
_FIXED = struct.Struct(">BB16sQQBBB10sBIIB")
_LENGTH = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class PendingKeys:
    """Keys that PUT KEY sent to the card, until it confirms them."""

    key_version: int
    check_values: bytes


@dataclass(frozen=True, slots=True)
class SealedSession:
    """What a channel is and where it stands; times in milliseconds of Unix time.

    Attributes:
        session_id: 16 random bytes.
        caller: who opened the channel, and who alone may use it.
        key_set: by which the card's keys are derived again.
        key_version: of the master key.
        scp: protocol.
        kdd: key diversification data of INITIALIZE UPDATE, 10 bytes.
        cuid: 10 bytes, where the caller gave it; else empty.
        context: 16 or 32 bytes that the session keys depend on.
        state: implementation, security level, counters, chaining values.
        issued: when the channel was opened.
        expires: when it ends, however often it is used.
        pending: after PUT KEY, what the card has to confirm.
    """

    session_id: bytes
    caller: str
    key_set: str
    key_version: int
    scp: int
    kdd: bytes
    cuid: bytes
    context: bytes
    state: ChannelState
    issued: int
    expires: int
    pending: PendingKeys | None = None

    def after(self, state: ChannelState) -> "SealedSession":
        """Return the session with its channel moved on."""
        return replace(self, state=state)

    def awaiting(self, pending: PendingKeys | None) -> "SealedSession":
        """Return the session that waits for the card to confirm keys, or no longer does."""
        return replace(self, pending=pending)


def seal(keyring: Keyring, version: int, session: SealedSession) -> bytes:
    """Return the session's bytes, MACed under a version of the channel key.

    Raises:
        ServiceError: `request-invalid`, when too many responses are outstanding.
    """
    body = _encode(session, version)
    if len(body) + _MAC_LENGTH > MAX_SESSION:
        raise ServiceError(
            Code.REQUEST_INVALID,
            "too many responses are outstanding; unwrap those that came",
            pointer="/apdus",
        )
    return body + keyring.service_mac(CHANNEL_KEY, version, body)


def unseal(keyring: Keyring, sealed: bytes, caller: str, now: int) -> SealedSession:
    """Verify a session, and only then read it.

    Args:
        keyring: has the channel key.
        sealed: as the caller sent it.
        caller: who sent it.
        now: the present, in milliseconds of Unix time.

    Raises:
        ServiceError: `session-invalid`, `session-foreign`, `session-expired`.
    """
    body, mac = sealed[:-_MAC_LENGTH], sealed[-_MAC_LENGTH:]
    if len(body) < _FIXED.size or body[0] != FORMAT or not _is_genuine(keyring, body, mac):
        raise _refusal(Code.SESSION_INVALID, "it was not made here, or it was altered")
    session = _canonical(body)
    if session.caller != caller:
        raise _refusal(Code.SESSION_FOREIGN, "another caller opened it")
    if not session.issued <= now < session.expires:
        raise _refusal(Code.SESSION_EXPIRED, "its time is over; open the channel again")
    return session


def _is_genuine(keyring: Keyring, body: bytes, mac: bytes) -> bool:
    try:
        return compare_digest(keyring.service_mac(CHANNEL_KEY, body[1], body), mac)
    except KeyNotFound:
        return False


def _encode(session: SealedSession, version: int) -> bytes:
    state = session.state
    fixed = _FIXED.pack(
        FORMAT,
        version,
        session.session_id,
        session.issued,
        session.expires,
        session.key_version,
        session.scp,
        state.i,
        session.kdd,
        state.level,
        state.commands,
        state.responses,
        state.closed,
    )
    pending = session.pending
    fields = (
        session.caller.encode(),
        session.key_set.encode(),
        session.cuid,
        session.context,
        state.mac_chaining,
        state.response_chaining,
        bytes([pending.key_version]) + pending.check_values if pending else b"",
        *state.outstanding,
    )
    return fixed + b"".join([_LENGTH.pack(len(field)) + field for field in fields])


def _canonical(body: bytes) -> SealedSession:
    """Read a genuine body: the MAC says whose it is, not that this release would write it so."""
    try:
        session = _decode(body)
        is_canonical = _encode(session, body[1]) == body
    except (struct.error, ValueError):
        is_canonical = False
    if not is_canonical:
        raise _refusal(Code.SESSION_INVALID, "it is not as this release makes them")
    return session


def _decode(body: bytes) -> SealedSession:
    fixed = _FIXED.unpack(body[: _FIXED.size])
    _, _, session_id, issued, expires, key_version, scp, i, kdd, level = fixed[:10]
    commands, responses, closed = fixed[10:]
    caller, key_set, cuid, context, mac_chaining, response_chaining, pending, *outstanding = (
        _fields(body[_FIXED.size :])
    )
    return SealedSession(
        session_id=session_id,
        caller=caller.decode(),
        key_set=key_set.decode(),
        key_version=key_version,
        scp=scp,
        kdd=kdd,
        cuid=cuid,
        context=context,
        state=ChannelState(
            i=i,
            level=SecurityLevel(level),
            commands=commands,
            responses=responses,
            mac_chaining=mac_chaining,
            response_chaining=response_chaining,
            outstanding=tuple(outstanding),
            closed=bool(closed),
        ),
        issued=issued,
        expires=expires,
        pending=PendingKeys(pending[0], pending[1:]) if pending else None,
    )


def _fields(rest: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(rest):
        (length,) = _LENGTH.unpack_from(rest, at)
        at += _LENGTH.size
        yield rest[at : at + length]
        at += length


def _refusal(code: Code, reason: str) -> ServiceError:
    return ServiceError(code, f"the session cannot be used: {reason}", pointer="/session")
