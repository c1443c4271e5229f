"""Sealed sessions over a real channel key: read back as sealed, and by nobody else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.refusals import require
from tmsd.config.reserved_keys import CHALLENGE_KEY, CHANNEL_KEY
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.vault.card_messages import MAX_SESSION
from tmsd.worker.keyring import Keyring
from tmsd.worker.sealed_session import FORMAT, PendingKeys, SealedSession, seal, unseal

BYTE = st.integers(0, 255)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
TIMES = st.integers(0, 2**63)


def _bytes(*lengths: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from(lengths).flatmap(lambda n: st.binary(min_size=n, max_size=n))


LEVELS = [0x00, 0x01, 0x03, 0x11, 0x13, 0x33]
STATES = st.builds(
    ChannelState,
    i=BYTE,
    level=st.builds(SecurityLevel, st.sampled_from(LEVELS)),
    commands=st.integers(0, 2**32 - 1),
    responses=st.integers(0, 2**32 - 1),
    mac_chaining=_bytes(8, 16),
    response_chaining=_bytes(0, 8),
    outstanding=st.lists(_bytes(5, 16, 260), max_size=8).map(tuple),
    closed=st.booleans(),
)
SESSIONS = st.builds(
    SealedSession,
    session_id=_bytes(16),
    caller=NAMES,
    key_set=NAMES,
    key_version=BYTE,
    scp=st.sampled_from([0x01, 0x02, 0x03]),
    kdd=_bytes(10),
    cuid=_bytes(0, 10),
    context=_bytes(16, 32),
    state=STATES,
    issued=TIMES,
    expires=TIMES,
    pending=st.none() | st.builds(PendingKeys, key_version=BYTE, check_values=_bytes(9)),
)

ISSUED, EXPIRES = 1_000_000, 1_300_000
STATE = ChannelState(
    0x70,
    SecurityLevel.C_MAC | SecurityLevel.R_MAC,
    commands=5,
    responses=3,
    mac_chaining=bytes(16),
    outstanding=(b"\x01" * 16, b"\x02" * 16),
)
SESSION = SealedSession(
    session_id=bytes(range(16)),
    caller="tps-demo",
    key_set="pilot",
    key_version=2,
    scp=0x03,
    kdd=bytes(10),
    cuid=bytes(range(10, 20)),
    context=bytes(range(16)),
    state=STATE,
    issued=ISSUED,
    expires=EXPIRES,
    pending=PendingKeys(3, bytes(range(9))),
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
    state = replace(STATE, commands=6, mac_chaining=b"\x01" * 16)

    assert SESSION.after(state) == replace(SESSION, state=state)


def test_a_session_waits_for_keys_and_no_longer() -> None:
    pending = PendingKeys(4, bytes(9))

    assert SESSION.awaiting(pending) == replace(SESSION, pending=pending)
    assert SESSION.awaiting(pending).awaiting(None) == replace(SESSION, pending=None)


@pytest.mark.parametrize("length", [16, 260])
def test_outstanding_responses_are_bounded_by_the_longest_session(
    keyring: Keyring, length: int
) -> None:
    outstanding: tuple[bytes, ...] = ()
    while True:
        outstanding = (*outstanding, bytes(length))
        session = replace(SESSION, state=replace(STATE, outstanding=outstanding))
        try:
            sealed = seal(keyring, 1, session)
        except ServiceError as error:
            refusal = error
            break
        assert unseal(keyring, sealed, SESSION.caller, ISSUED) == session

    assert (refusal.code, refusal.pointer) == (Code.REQUEST_INVALID, "/apdus")
    assert "unwrap those that came" in refusal.detail
    # The session itself takes up some 200 bytes, and each field 2 more for its length.
    assert MAX_SESSION - 300 < len(outstanding) * (length + 2) < MAX_SESSION + length


def test_a_session_holds_no_key_and_says_its_format_first(keyring: Keyring) -> None:
    sealed = seal(keyring, 2, SESSION)

    assert sealed[:2] == bytes([FORMAT, 2]) == b"\x02\x02"
    assert sealed[2:18] == SESSION.session_id


@settings(deadline=None)
@given(body=st.binary(max_size=400), version=st.sampled_from([1, 2]))
def test_whatever_the_channel_key_ever_macked_is_read_or_refused(
    keyring: Keyring, body: bytes, version: int
) -> None:
    body = bytes([FORMAT, version]) + body
    genuine = body + keyring.service_mac(CHANNEL_KEY, version, body)
    try:
        session = unseal(keyring, genuine, SESSION.caller, ISSUED)
    except ServiceError as refusal:
        require(refusal, Code.SESSION_INVALID, Code.SESSION_FOREIGN, Code.SESSION_EXPIRED)
    else:
        assert seal(keyring, version, session) == genuine


def test_another_format_is_refused_even_under_a_right_mac(keyring: Keyring) -> None:
    body = b"\x01" + seal(keyring, 1, SESSION)[1:-16]

    sealed = body + keyring.service_mac(CHANNEL_KEY, 1, body)

    assert _refusal(keyring, sealed) is Code.SESSION_INVALID


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
