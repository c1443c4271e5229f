"""Sealed sessions over a real channel key: read back as sealed, and by nobody else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmsd.config.reserved_keys import CHALLENGE_KEY
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.vault.messages import MAX_SESSION
from tmsd.worker.keyring import Keyring
from tmsd.worker.sealed_session import SealedSession, seal, unseal

BYTE = st.integers(0, 255)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
TIMES = st.integers(0, 2**63)


def _bytes(*lengths: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from(lengths).flatmap(lambda n: st.binary(min_size=n, max_size=n))


STATES = st.builds(
    ChannelState,
    level=st.builds(SecurityLevel, st.sampled_from([0x00, 0x01, 0x03, 0x11, 0x13, 0x33])),
    commands=st.integers(0, 2**32 - 1),
    mac_chaining=_bytes(8, 16),
)
SESSIONS = st.builds(
    SealedSession,
    session_id=_bytes(16),
    caller=NAMES,
    key_set=NAMES,
    key_version=BYTE,
    scp=st.sampled_from([0x02, 0x03]),
    i=BYTE,
    diversification_data=_bytes(10),
    context=_bytes(16),
    state=STATES,
    issued=TIMES,
    expires=TIMES,
)

ISSUED, EXPIRES = 1_000_000, 1_300_000
SESSION = SealedSession(
    session_id=bytes(range(16)),
    caller="tps-demo",
    key_set="pilot",
    key_version=2,
    scp=0x03,
    i=0x70,
    diversification_data=bytes(10),
    context=bytes(range(16)),
    state=ChannelState(SecurityLevel.C_MAC, 5, bytes(16)),
    issued=ISSUED,
    expires=EXPIRES,
)


@settings(deadline=None)
@given(session=SESSIONS, version=st.sampled_from([1, 2]), lifetime=st.integers(1, 2**32))
def test_a_session_is_read_as_it_was_sealed(
    keyring: Keyring, session: SealedSession, version: int, lifetime: int
) -> None:
    session = replace(session, expires=session.issued + lifetime)

    sealed = seal(keyring, version, session)

    assert unseal(keyring, sealed, session.caller, session.issued) == session
    assert len(sealed) <= MAX_SESSION


@settings(deadline=None)
@given(session=SESSIONS)
def test_sealing_the_same_session_gives_the_same_bytes(
    keyring: Keyring, session: SealedSession
) -> None:
    assert seal(keyring, 1, session) == seal(keyring, 1, session)


def test_a_session_that_moves_on_keeps_all_but_its_state() -> None:
    state = ChannelState(SecurityLevel.C_MAC, 6, b"\x01" * 16)

    assert SESSION.after(state) == replace(SESSION, state=state)


def test_any_flipped_bit_is_refused(keyring: Keyring) -> None:
    sealed = seal(keyring, 1, SESSION)

    for bit in range(len(sealed) * 8):
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        assert _refusal(keyring, bytes(forged)) is Code.SESSION_INVALID


def test_any_truncation_and_any_addition_is_refused(keyring: Keyring) -> None:
    sealed = seal(keyring, 1, SESSION)

    for length in range(len(sealed)):
        assert _refusal(keyring, sealed[:length]) is Code.SESSION_INVALID
        assert _refusal(keyring, sealed[length + 1 :]) is Code.SESSION_INVALID
    assert _refusal(keyring, sealed + b"\x00") is Code.SESSION_INVALID


@settings(deadline=None)
@given(sealed=st.binary(max_size=MAX_SESSION))
def test_bytes_that_were_never_sealed_are_refused(keyring: Keyring, sealed: bytes) -> None:
    assert _refusal(keyring, sealed) is Code.SESSION_INVALID


def test_a_mac_of_another_key_or_version_is_refused(keyring: Keyring) -> None:
    sealed = seal(keyring, 1, SESSION)
    body = sealed[:-16]

    other_version = body + seal(keyring, 2, SESSION)[-16:]
    other_key = body + keyring.service_mac(CHALLENGE_KEY, 1, body)

    assert _refusal(keyring, other_version) is Code.SESSION_INVALID
    assert _refusal(keyring, other_key) is Code.SESSION_INVALID


def test_the_caller_who_opened_a_channel_alone_may_use_it(keyring: Keyring) -> None:
    sealed = seal(keyring, 1, SESSION)

    for caller in ("tps-demo2", "tps-dem", "", "other"):
        assert _refusal(keyring, sealed, caller=caller) is Code.SESSION_FOREIGN


@pytest.mark.parametrize("now", [0, ISSUED - 1, EXPIRES, EXPIRES + 1, 2**62])
def test_a_session_is_of_no_use_before_it_was_issued_or_from_its_expiry_on(
    keyring: Keyring, now: int
) -> None:
    sealed = seal(keyring, 1, SESSION)

    assert _refusal(keyring, sealed, now=now) is Code.SESSION_EXPIRED


def test_another_caller_learns_nothing_of_an_expired_session(keyring: Keyring) -> None:
    sealed = seal(keyring, 1, SESSION)

    assert _refusal(keyring, sealed, caller="other", now=EXPIRES) is Code.SESSION_FOREIGN


def test_a_refusal_points_at_the_session(keyring: Keyring) -> None:
    with pytest.raises(ServiceError) as refusal:
        unseal(keyring, b"", SESSION.caller, ISSUED)

    assert refusal.value.pointer == "/session"


def _refusal(
    keyring: Keyring, sealed: bytes, *, caller: str = SESSION.caller, now: int = ISSUED
) -> Code:
    with pytest.raises(ServiceError) as refusal:
        unseal(keyring, sealed, caller, now)
    return refusal.value.code
