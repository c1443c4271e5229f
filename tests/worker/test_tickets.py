"""Tickets of host challenges over a real challenge key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmsd.config.reserved_keys import CHANNEL_KEY
from tmsd.errors import Code, ServiceError
from tmsd.vault.message import MAX_TICKET
from tmsd.worker.keyring import Keyring
from tmsd.worker.tickets import MAX_SKEW_MS, IssuedChallenge, make, verify

ISSUED, EXPIRES = 1_000_000, 1_060_000
CHALLENGE = IssuedChallenge("tps-demo", bytes(range(8)), ISSUED, EXPIRES)

CHALLENGES = st.builds(
    IssuedChallenge,
    caller=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True),
    host_challenge=st.sampled_from([8, 16]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    issued=st.just(ISSUED),
    expires=st.integers(ISSUED + 1, 2**63),
)


@settings(deadline=None)
@given(challenge=CHALLENGES, version=st.sampled_from([1, 2]))
def test_a_ticket_gives_back_its_challenge(
    keyring: Keyring, challenge: IssuedChallenge, version: int
) -> None:
    ticket = make(keyring, version, challenge)

    given_back = verify(keyring, ticket, challenge.caller, challenge.expires - 1)

    assert given_back == challenge.host_challenge
    assert len(ticket) <= MAX_TICKET


def test_any_flipped_bit_is_refused(keyring: Keyring) -> None:
    ticket = make(keyring, 1, CHALLENGE)

    for bit in range(len(ticket) * 8):
        forged = bytearray(ticket)
        forged[bit // 8] ^= 1 << bit % 8
        assert "altered" in _refusal(keyring, bytes(forged))


def test_any_truncation_and_any_addition_is_refused(keyring: Keyring) -> None:
    ticket = make(keyring, 1, CHALLENGE)

    for length in range(len(ticket)):
        assert "altered" in _refusal(keyring, ticket[:length])
        assert "altered" in _refusal(keyring, ticket[length + 1 :])
    assert "altered" in _refusal(keyring, ticket + b"\x00")


@settings(deadline=None)
@given(ticket=st.binary(max_size=MAX_TICKET))
def test_bytes_that_were_never_a_ticket_are_refused(keyring: Keyring, ticket: bytes) -> None:
    assert "altered" in _refusal(keyring, ticket)


def test_a_mac_of_another_key_or_version_is_refused(keyring: Keyring) -> None:
    ticket = make(keyring, 1, CHALLENGE)
    body = ticket[:-16]

    other_version = body + make(keyring, 2, CHALLENGE)[-16:]
    other_key = body + keyring.service_mac(CHANNEL_KEY, 1, body)

    assert "altered" in _refusal(keyring, other_version)
    assert "altered" in _refusal(keyring, other_key)


def test_a_ticket_is_its_callers_alone(keyring: Keyring) -> None:
    ticket = make(keyring, 1, CHALLENGE)

    for caller in ("tps-demo2", "tps-dem", "", "other"):
        assert "another caller" in _refusal(keyring, ticket, caller=caller)


@pytest.mark.parametrize(
    "now",
    [EXPIRES, EXPIRES + 1, ISSUED - MAX_SKEW_MS - 1],
    ids=["at its end", "after its end", "long before it was made"],
)
def test_a_ticket_is_of_no_use_out_of_its_time(keyring: Keyring, now: int) -> None:
    ticket = make(keyring, 1, CHALLENGE)

    assert "expired" in _refusal(keyring, ticket, now=now)


def _refusal(
    keyring: Keyring,
    ticket: bytes,
    *,
    caller: str = CHALLENGE.caller,
    now: int = ISSUED,
) -> str:
    with pytest.raises(ServiceError) as refusal:
        verify(keyring, ticket, caller, now)
    assert refusal.value.code is Code.CHALLENGE_NOT_ISSUED
    assert refusal.value.pointer == "/card/challenge"
    return refusal.value.detail
