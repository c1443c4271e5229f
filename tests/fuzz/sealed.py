"""Sealed sessions and tickets, over keys in a real token.

The first byte of an input says what the rest is: the whole, as a caller could send it; or
what the MAC covers, and the right MAC is put behind it, so that what reads it gets that far.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from hsm.attributes import SERVICE_MAC_KEY
from hsm.importing import generate_key
from hsm.keys import AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import open_token
from tests.fuzz import refusals
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tmsd.config.reserved_keys import CHALLENGE_KEY, CHANNEL_KEY, SERVICE_KEYS
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.worker import sealed_session, tickets
from tmsd.worker.keyring import Keyring
from tmsd.worker.sealed_session import PendingKeys, SealedSession
from tmsd.worker.tickets import IssuedChallenge

_CALLER = "tps"
_ISSUED, _NOW, _EXPIRES = 1_000_000, 1_000_001, 1_300_000
_VERSION = 1
_AS_SENT, _AUTHENTIC = b"\x00", b"\x01"
_MAC_LENGTH = 16
_SESSION_REFUSALS = (Code.SESSION_INVALID, Code.SESSION_FOREIGN, Code.SESSION_EXPIRED)


@cache
def _keyring() -> Keyring:
    """Return the keyring of a token that lasts as long as this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
    stack.callback(shutil.rmtree, directory)
    softhsm = SoftHsm(directory)
    os.environ |= softhsm.environment
    pin = Secret(USER_PIN)
    token = stack.enter_context(open_token(softhsm.make_token(), pin, writable=True))
    for label in SERVICE_KEYS:
        generate_key(token, KeyReference(label, _VERSION), AES_256, SERVICE_MAC_KEY)
    return Keyring(token)


def sessions() -> Iterator[bytes]:
    """Yield sessions of each protocol, at their beginning and in the middle."""
    for scp, i, context, chaining, outstanding in (
        (0x01, 0x05, 16, 8, ()),
        (0x02, 0x75, 16, 8, (bytes(5), bytes(20))),
        (0x03, 0x71, 32, 16, (bytes(16),)),
    ):
        state = ChannelState(
            i=i,
            level=SecurityLevel(0x01),
            commands=len(outstanding),
            responses=0,
            mac_chaining=bytes(chaining),
            response_chaining=bytes(8) if scp == 0x02 else b"",
            outstanding=outstanding,
        )
        session = SealedSession(
            session_id=bytes(16),
            caller=_CALLER,
            key_set="pilot",
            key_version=1,
            scp=scp,
            kdd=bytes(10),
            cuid=bytes(10) if scp == 0x02 else b"",
            context=bytes(context),
            state=state,
            issued=_ISSUED,
            expires=_EXPIRES,
        )
        for each in (session, session.awaiting(PendingKeys(2, bytes(9)))):
            sealed = sealed_session.seal(_keyring(), _VERSION, each)
            yield _AS_SENT + sealed
            yield _AUTHENTIC + sealed[:-_MAC_LENGTH]


def session(data: bytes) -> None:
    """A session is refused, or it is the only encoding of what is read from it."""
    sealed = _message(data, CHANNEL_KEY)
    try:
        read = sealed_session.unseal(_keyring(), sealed, _CALLER, _NOW)
    except ServiceError as refusal:
        refusals.require(refusal, *_SESSION_REFUSALS)
        return
    assert sealed_session.seal(_keyring(), _VERSION, read) == sealed


def challenges() -> Iterator[bytes]:
    """Yield tickets for challenges of both lengths."""
    for length in (8, 16):
        challenge = IssuedChallenge(_CALLER, bytes(length), _ISSUED, _EXPIRES)
        ticket = tickets.make(_keyring(), _VERSION, challenge)
        yield _AS_SENT + ticket
        yield _AUTHENTIC + ticket[:-_MAC_LENGTH]


def challenge(data: bytes) -> None:
    """A ticket is refused, or a challenge of a length that there is comes out of it."""
    ticket = _message(data, CHALLENGE_KEY)
    try:
        host_challenge = tickets.verify(_keyring(), ticket, _CALLER, _NOW)
    except ServiceError as refusal:
        refusals.require(refusal, Code.CHALLENGE_NOT_ISSUED)
        return
    assert len(host_challenge) in (8, 16)
    assert ticket[:-_MAC_LENGTH].endswith(host_challenge)


def _message(data: bytes, label: str) -> bytes:
    if not data.startswith(_AUTHENTIC):
        return data[1:]
    return data[1:] + _keyring().service_mac(label, _VERSION, data[1:])
