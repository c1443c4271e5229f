"""Sealed sessions: a channel's state without its keys, MACed so that nobody alters it.

Layout: format (1) ‖ channel key version (1) ‖ session id (16) ‖ issued (8) ‖ expires (8) ‖
key version (1) ‖ protocol (1) ‖ i (1) ‖ diversification data (10) ‖ context (16) ‖
security level (1) ‖ commands (4) ‖ length and value of caller, key set and MAC chaining
value ‖ CMAC (16). Numbers are big-endian, times are milliseconds of Unix time.
"""

import struct
from dataclasses import dataclass, replace
from hmac import compare_digest

from hsm.errors import KeyNotFound
from tmsd.config.reserved_keys import CHANNEL_KEY
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.worker.keyring import Keyring

FORMAT = 1
_MAC_LENGTH = 16
_FIXED = struct.Struct(">BB16sQQBBB10s16sBI")


@dataclass(frozen=True, slots=True)
class SealedSession:
    """What a channel is and where it stands; times in milliseconds of Unix time.

    Attributes:
        session_id: 16 random bytes.
        caller: who opened the channel, and who alone may use it.
        key_set: by which the card's keys are derived again.
        key_version: of the master key.
        scp: protocol.
        i: its implementation.
        diversification_data: 10 bytes, the KDD or the CUID.
        context: 16 bytes that the session keys depend on.
        state: security level, commands so far, MAC chaining value.
        issued: when the channel was opened.
        expires: when it ends, however often it is used.
    """

    session_id: bytes
    caller: str
    key_set: str
    key_version: int
    scp: int
    i: int
    diversification_data: bytes
    context: bytes
    state: ChannelState
    issued: int
    expires: int

    def after(self, state: ChannelState) -> "SealedSession":
        """Return the session with its channel moved on."""
        return replace(self, state=state)


def seal(keyring: Keyring, version: int, session: SealedSession) -> bytes:
    """Return the session's bytes, MACed under a version of the channel key."""
    body = _encode(session, version)
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
    session = _decode(body)
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
    fixed = _FIXED.pack(
        FORMAT,
        version,
        session.session_id,
        session.issued,
        session.expires,
        session.key_version,
        session.scp,
        session.i,
        session.diversification_data,
        session.context,
        session.state.level,
        session.state.commands,
    )
    variable = (session.caller.encode(), session.key_set.encode(), session.state.mac_chaining)
    return fixed + b"".join(bytes([len(value)]) + value for value in variable)


def _decode(body: bytes) -> SealedSession:
    (_, _, session_id, issued, expires, key_version, scp, i, data, context, level, commands) = (
        _FIXED.unpack(body[: _FIXED.size])
    )
    caller, key_set, chaining = _variable_fields(body[_FIXED.size :])
    return SealedSession(
        session_id=session_id,
        caller=caller.decode(),
        key_set=key_set.decode(),
        key_version=key_version,
        scp=scp,
        i=i,
        diversification_data=data,
        context=context,
        state=ChannelState(SecurityLevel(level), commands, chaining),
        issued=issued,
        expires=expires,
    )


def _variable_fields(rest: bytes) -> list[bytes]:
    values = []
    while rest:
        end = 1 + rest[0]
        values.append(rest[1:end])
        rest = rest[end:]
    return values


def _refusal(code: Code, reason: str) -> ServiceError:
    return ServiceError(code, f"the session cannot be used: {reason}", pointer="/session")
